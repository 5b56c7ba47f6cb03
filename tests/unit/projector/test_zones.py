"""All time zones: at each change of offset an event counts on the last day of an answer for its instant."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

import pytest

from api.endpoints.weekly_data.contract import Start, window_ending_at
from ingest.events.event import Event
from projector.activity_filter import COUNT_ALL
from projector.calendar import Calendar, bucket_of, buckets_of
from projector.fold import fold

YEARS: Final = 40
LAST: Final = datetime(2030, 1, 1, tzinfo=UTC)
FIRST: Final = LAST.replace(year=LAST.year - YEARS)
STEP: Final = timedelta(days=7)
"""Shorter than the shortest summer time, and than Morocco's Ramadan."""
NEAR: Final = [
    timedelta(seconds=seconds)
    for minutes in (0, 1, 7, 14, 30, 60, 90, 180)
    for seconds in (60 * minutes, -60 * minutes - 1)
]


def transitions(zone: ZoneInfo) -> Iterator[datetime]:
    """Yield the instants, to the second, at which the zone's offset changes."""
    at, offset = FIRST, FIRST.astimezone(zone).utcoffset()
    while at < LAST:
        following = at + STEP
        other = following.astimezone(zone).utcoffset()
        if other != offset:
            before, after = int(at.timestamp()), int(following.timestamp())
            while after - before > 1:
                middle = (before + after) // 2
                if datetime.fromtimestamp(middle, zone).utcoffset() == offset:
                    before = middle
                else:
                    after = middle
            yield datetime.fromtimestamp(after, UTC)
        at, offset = following, other


def days_counted(instants: Sequence[datetime], zone: ZoneInfo) -> dict[int, date]:
    """Count an event of each instant; return the day of its counter by the index of the instant."""
    events = [
        Event(workspace_id="acme", occurred_at=instant, type="message", user_id=str(place))
        for place, instant in enumerate(instants)
    ]
    kept = Calendar(time_zone=zone, retention_days=0, bucket_retention_days=1)
    return {
        int(user_id): addition.counter.period
        for addition in fold(events, kept, COUNT_ALL, LAST).additions
        if isinstance(addition.counter.period, date)
        for user_id in addition.user_ids
    }


def test_an_event_is_counted_on_the_day_that_an_answer_for_its_instant_ends_with() -> None:
    """In all zones, around each change of the last decades; a bucket may span two days."""
    found = 0
    for name in sorted(available_timezones()):
        zone = ZoneInfo(name)
        instants = [change + distance for change in transitions(zone) for distance in NEAR]
        counted = days_counted(instants, zone)
        asked = [window_ending_at(Start(instant), zone)[0] for instant in instants]
        wrong = [instants[i] for i, day in enumerate(asked) if counted[i] != day]
        assert wrong == [], name
        assert asked == [instant.astimezone(zone).date() for instant in instants], name
        found += len(instants)
    assert found > 100_000


@pytest.mark.parametrize(
    ("instant", "zone", "day"),
    [
        ("2010-11-07T02:30:59Z", "America/St_Johns", "2010-11-07"),  # 00:00:59 there
        ("2010-11-07T02:31:00Z", "America/St_Johns", "2010-11-06"),  # 00:01 became 23:01
        ("2010-11-07T02:44:59Z", "America/St_Johns", "2010-11-06"),
        ("2010-11-07T03:29:59Z", "America/St_Johns", "2010-11-06"),
        ("2010-11-07T03:30:00Z", "America/St_Johns", "2010-11-07"),
        ("1979-09-30T10:39:59Z", "Pacific/Kiritimati", "1979-09-29"),  # at -10:40
        ("1979-09-30T10:40:00Z", "Pacific/Kiritimati", "1979-09-30"),
    ],
)
def test_a_bucket_may_span_two_days(instant: str, zone: str, day: str) -> None:
    occurred_at = datetime.fromisoformat(instant)
    assert days_counted([occurred_at], ZoneInfo(zone)) == {0: date.fromisoformat(day)}
    assert window_ending_at(Start(occurred_at), ZoneInfo(zone))[0] == date.fromisoformat(day)


@pytest.mark.parametrize("zone", ["America/St_Johns", "Asia/Gaza", "Pacific/Kiritimati", "Europe/Vienna"])
@pytest.mark.parametrize("year", [1979, 2010])
def test_each_bucket_begins_in_one_day_of_a_zone(zone: str, year: int) -> None:
    days = [date(year, 1, 1) + timedelta(days=number) for number in range(365)]
    buckets = [bucket for day in days for bucket in buckets_of(day, ZoneInfo(zone))]
    assert len(set(buckets)) == len(buckets)
    assert set(buckets) == set(range(min(buckets), max(buckets) + 1))
    assert bucket_of(datetime(year, 6, 1, tzinfo=UTC)) in buckets
