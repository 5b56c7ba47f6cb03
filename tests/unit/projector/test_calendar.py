"""The calendar: buckets and days at every boundary, and their expiry."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projector.calendar import BUCKET_SECONDS, Calendar, bucket_of

ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/St_Johns",  # -03:30, -02:30 in summer
    "Australia/Lord_Howe",  # its summer time is half an hour
    "Asia/Kathmandu",  # +05:45
    "Pacific/Apia",  # had no 30th of December in 2011
    "Pacific/Kiritimati",  # +14:00
    "Pacific/Marquesas",  # -09:30
    "America/Sao_Paulo",  # its summer time began at midnight, which that day did not have
]
# Until 1979 Kiritimati was at -10:40: a bucket then lay in two of its days.
MODERN = st.datetimes(datetime(1983, 1, 1), datetime(2037, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone


def calendar(zone: str, *, retention_days: int = 0, bucket_retention_days: int = 0) -> Calendar:
    return Calendar(
        time_zone=ZoneInfo(zone), retention_days=retention_days, bucket_retention_days=bucket_retention_days
    )


def day_of(instant: str, zone: str) -> str:
    return calendar(zone).day_of(bucket_of(datetime.fromisoformat(instant))).isoformat()


@pytest.mark.parametrize("zone", ZONES)
@given(instant=MODERN)
def test_the_day_of_a_bucket_is_the_day_of_every_instant_in_it(zone: str, instant: datetime) -> None:
    """So days can be merged from buckets, unless the offset changes within one."""
    day = instant.astimezone(ZoneInfo(zone)).date()
    assert calendar(zone).whole_day_of(bucket_of(instant)) in {None, day}
    assert calendar(zone).date_of(instant) == day


@given(MODERN)
def test_a_bucket_is_a_quarter_of_an_hour(instant: datetime) -> None:
    assert bucket_of(instant) == int(instant.timestamp()) // BUCKET_SECONDS
    start = datetime.fromtimestamp(bucket_of(instant) * BUCKET_SECONDS, UTC)
    assert start.minute in {0, 15, 30, 45}
    assert start <= instant < start + timedelta(minutes=15)


@pytest.mark.parametrize(
    ("instant", "zone", "day"),
    [
        ("2024-05-17T23:59:59.999999+00:00", "UTC", "2024-05-17"),
        ("2024-05-18T00:00:00+00:00", "UTC", "2024-05-18"),
        ("2024-05-17T21:59:59.999999+00:00", "Europe/Berlin", "2024-05-17"),
        ("2024-05-17T22:00:00+00:00", "Europe/Berlin", "2024-05-18"),
        ("2024-01-17T22:59:59.999999+00:00", "Europe/Berlin", "2024-01-17"),
        ("2024-01-17T23:00:00+00:00", "Europe/Berlin", "2024-01-18"),
        ("2024-03-30T23:00:00+00:00", "Europe/Berlin", "2024-03-31"),  # a day of 23 hours begins
        ("2024-03-31T21:59:59.999999+00:00", "Europe/Berlin", "2024-03-31"),
        ("2024-03-31T22:00:00+00:00", "Europe/Berlin", "2024-04-01"),
        ("2024-10-26T22:00:00+00:00", "Europe/Berlin", "2024-10-27"),  # a day of 25 hours begins
        ("2024-10-27T22:59:59.999999+00:00", "Europe/Berlin", "2024-10-27"),
        ("2024-10-27T23:00:00+00:00", "Europe/Berlin", "2024-10-28"),
        ("2024-07-02T02:29:59.999999+00:00", "America/St_Johns", "2024-07-01"),
        ("2024-07-02T02:30:00+00:00", "America/St_Johns", "2024-07-02"),
        ("2024-01-02T03:29:59.999999+00:00", "America/St_Johns", "2024-01-01"),
        ("2024-01-02T03:30:00+00:00", "America/St_Johns", "2024-01-02"),
        ("2024-01-01T12:59:59.999999+00:00", "Australia/Lord_Howe", "2024-01-01"),
        ("2024-01-01T13:00:00+00:00", "Australia/Lord_Howe", "2024-01-02"),
        ("2024-07-01T13:29:59.999999+00:00", "Australia/Lord_Howe", "2024-07-01"),
        ("2024-07-01T13:30:00+00:00", "Australia/Lord_Howe", "2024-07-02"),
        ("2024-05-17T18:14:59.999999+00:00", "Asia/Kathmandu", "2024-05-17"),
        ("2024-05-17T18:15:00+00:00", "Asia/Kathmandu", "2024-05-18"),
        ("2011-12-30T09:59:59.999999+00:00", "Pacific/Apia", "2011-12-29"),
        ("2011-12-30T10:00:00+00:00", "Pacific/Apia", "2011-12-31"),
        ("2024-05-17T09:59:59.999999+00:00", "Pacific/Kiritimati", "2024-05-17"),
        ("2024-05-17T10:00:00+00:00", "Pacific/Kiritimati", "2024-05-18"),
        ("2018-11-04T02:59:59.999999+00:00", "America/Sao_Paulo", "2018-11-03"),
        ("2018-11-04T03:00:00+00:00", "America/Sao_Paulo", "2018-11-04"),
        ("0001-01-01T00:00:00+00:00", "America/St_Johns", "0001-01-01"),
    ],
)
def test_the_day_of_an_instant_is_that_of_the_zone(instant: str, zone: str, day: str) -> None:
    assert day_of(instant, zone) == day


@pytest.mark.parametrize("zone", ZONES)
@given(now=MODERN, retention_days=st.integers(1, 800))
def test_the_oldest_bucket_kept_is_the_first_of_its_day(
    zone: str, now: datetime, retention_days: int
) -> None:
    kept = calendar(zone, retention_days=retention_days)
    oldest = kept.oldest_bucket(now)
    assert oldest is not None
    wanted = now.astimezone(ZoneInfo(zone)).date() - timedelta(days=retention_days)
    assert kept.day_of(oldest) >= wanted  # later only where the zone has no such day
    assert kept.day_of(oldest - 1) < wanted


@pytest.mark.parametrize("zone", ZONES)
@given(now=MODERN, retention_days=st.integers(1, 800), data=st.data())
def test_a_day_expires_when_it_is_no_longer_kept(
    zone: str, now: datetime, retention_days: int, data: st.DataObject
) -> None:
    kept = calendar(zone, retention_days=retention_days)
    oldest = kept.oldest_bucket(now)
    assert oldest is not None
    inside = data.draw(st.integers(oldest, oldest + 96 * retention_days))
    outside = data.draw(st.integers(oldest - 96 * 400, oldest - 1))
    assert kept.day_expires_at(kept.day_of(inside)) > now.timestamp()
    assert kept.day_expires_at(kept.day_of(outside)) <= now.timestamp()


@pytest.mark.parametrize("zone", ZONES)
def test_without_a_retention_nothing_expires(zone: str) -> None:
    kept = calendar(zone)
    assert kept.oldest_bucket(datetime(2024, 5, 17, tzinfo=UTC)) is None
    assert kept.day_expires_at(date(2024, 5, 17)) == 0
    assert kept.bucket_expires_at(0) == 0


def test_a_day_expires_at_a_midnight_of_its_zone() -> None:
    expires_at = calendar("Europe/Berlin", retention_days=400).day_expires_at(date(2024, 3, 1))
    assert datetime.fromtimestamp(expires_at, UTC) == datetime(2025, 4, 5, 22, tzinfo=UTC)


def test_a_bucket_expires_days_after_its_end() -> None:
    bucket = bucket_of(datetime(2024, 5, 17, 12, 20, tzinfo=UTC))
    expires_at = calendar("Europe/Berlin", bucket_retention_days=45).bucket_expires_at(bucket)
    assert datetime.fromtimestamp(expires_at, UTC) == datetime(2024, 7, 1, 12, 30, tzinfo=UTC)


def test_a_day_at_the_end_of_time_expires_with_the_last_day_there_is() -> None:
    calendar = Calendar(
        time_zone=ZoneInfo("Pacific/Kiritimati"), retention_days=400, bucket_retention_days=45
    )
    assert calendar.day_expires_at(date.max) == calendar.day_expires_at(date.max - timedelta(days=1))
    assert calendar.day_expires_at(date(9999, 1, 1)) <= calendar.day_expires_at(date.max)
