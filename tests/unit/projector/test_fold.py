"""The fold: which counters a batch adds to, in any order, and which events it skips."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.events.event import Event
from projector import keys
from projector.activity_filter import COUNT_ALL, ActivityFilter
from projector.calendar import BUCKET_SECONDS, Calendar
from projector.fold import fold
from tests.support.fakes_log import NOW

ZONES = ["UTC", "America/St_Johns", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia"]
FOR_EVER = 0


def calendar(
    zone: str = "UTC", *, retention_days: int = FOR_EVER, bucket_retention_days: int = FOR_EVER
) -> Calendar:
    return Calendar(
        time_zone=ZoneInfo(zone), retention_days=retention_days, bucket_retention_days=bucket_retention_days
    )


def event(user_id: str | None, occurred_at: datetime = NOW, workspace_id: str = "acme") -> Event:
    return Event(workspace_id=workspace_id, occurred_at=occurred_at, type="message", user_id=user_id)


def counters(events: Collection[Event], kept: Calendar) -> Mapping[str, set[str]]:
    return {
        keys.FIRST.key(addition.counter): set(addition.user_ids)
        for addition in fold(events, kept, COUNT_ALL, NOW).additions
    }


EVENTS = st.lists(
    st.builds(
        event,
        st.sampled_from(["alice", "bob", "carol", None]),
        st.integers(-500, 500).map(lambda quarters: NOW + timedelta(minutes=7.5) * quarters),
        st.sampled_from(["acme", "other"]),
    ),
    max_size=30,
)


def test_an_event_counts_in_its_day_and_in_its_bucket() -> None:
    bucket = int(NOW.timestamp()) // BUCKET_SECONDS
    assert counters([event("alice"), event("bob"), event("alice")], calendar()) == {
        keys.FIRST.day("acme", NOW.date()): {"alice", "bob"},
        keys.FIRST.bucket("acme", bucket): {"alice", "bob"},
    }


@pytest.mark.parametrize("zone", ZONES)
@given(events=EVENTS)
def test_every_event_is_in_the_counters_of_its_day_and_bucket_and_in_no_other(
    zone: str, events: list[Event]
) -> None:
    expected: dict[str, set[str]] = {}
    for each in events:
        if each.user_id is not None:
            day = each.occurred_at.astimezone(ZoneInfo(zone)).date()
            bucket = int(each.occurred_at.timestamp()) // BUCKET_SECONDS
            expected.setdefault(keys.FIRST.day(each.workspace_id, day), set()).add(each.user_id)
            expected.setdefault(keys.FIRST.bucket(each.workspace_id, bucket), set()).add(each.user_id)
    assert counters(events, calendar(zone)) == expected


@given(EVENTS, st.randoms(use_true_random=False))
def test_order_and_repetition_do_not_matter(events: list[Event], random: Random) -> None:
    other = events + random.choices(events, k=10) if events else []
    random.shuffle(other)
    assert counters(other, calendar()) == counters(events, calendar())


@given(EVENTS)
def test_each_counter_has_one_addition(events: list[Event]) -> None:
    """The script relies on it: it runs one command for each key."""
    names = [
        keys.FIRST.key(addition.counter) for addition in fold(events, calendar(), COUNT_ALL, NOW).additions
    ]
    assert len(names) == len(set(names))


@given(EVENTS)
def test_each_event_is_counted_anonymous_or_expired(events: list[Event]) -> None:
    kept = calendar(retention_days=1)
    folded = fold(events, kept, COUNT_ALL, NOW)
    anonymous = [each for each in events if each.user_id is None]
    oldest = datetime(2024, 5, 16, tzinfo=UTC)
    expired = [each for each in events if each.user_id is not None and each.occurred_at < oldest]
    assert (folded.anonymous, folded.expired) == (len(anonymous), len(expired))


@pytest.mark.parametrize(
    ("occurred_at", "expired"),
    [
        (datetime(2024, 5, 6, 21, 59, 59, 999_999, tzinfo=UTC), 1),
        (datetime(2024, 5, 6, 22, tzinfo=UTC), 0),  # midnight of the 7th in Berlin
    ],
)
def test_days_expire_at_the_first_instant_of_the_oldest_day_kept(occurred_at: datetime, expired: int) -> None:
    kept = calendar("Europe/Berlin", retention_days=10)
    folded = fold([event("alice", occurred_at)], kept, COUNT_ALL, NOW)
    assert folded.expired == expired
    assert bool(folded.additions) is not bool(expired)


@pytest.mark.parametrize(
    ("occurred_at", "stamp", "cause"),
    [
        (datetime.fromtimestamp(NOW.timestamp() / 1000, UTC), NOW, "seconds-for-milliseconds"),
        (datetime.fromtimestamp(1_100_000_000 / 1000, UTC), None, "seconds-for-milliseconds"),
        (datetime(1970, 1, 1, tzinfo=UTC), NOW, "epoch-zero"),
        (datetime(1969, 12, 31, 10, tzinfo=UTC), NOW, "epoch-zero"),
        (datetime(1, 1, 1, tzinfo=UTC), NOW, "epoch-zero"),
        (datetime(1601, 1, 1, tzinfo=UTC), None, "epoch-zero"),
        (datetime(1970, 6, 1, tzinfo=UTC), datetime(1970, 6, 1, tzinfo=UTC), "older-than-retention"),
        (NOW - timedelta(days=12), NOW, "older-than-retention"),
        (NOW - timedelta(days=12), None, "older-than-retention"),
        (NOW - timedelta(days=12), NOW + timedelta(days=2), "older-than-retention"),
        (NOW - timedelta(days=12), NOW - timedelta(days=12), "aged-in-log"),
        (NOW - timedelta(days=400), NOW - timedelta(days=390), "aged-in-log"),
        (NOW - timedelta(days=400), NOW - timedelta(days=389), "older-than-retention"),
    ],
)
def test_an_expired_event_has_one_cause(occurred_at: datetime, stamp: datetime | None, cause: str) -> None:
    came_at = None if stamp is None else int(stamp.timestamp() * 1000)
    folded = fold([event("alice", occurred_at)], calendar(retention_days=10), COUNT_ALL, NOW, stamp=came_at)
    assert folded.causes == {cause: 1}


@given(EVENTS, st.none() | st.integers())
def test_causes_add_up_for_any_timestamp(events: list[Event], stamp: int | None) -> None:
    kept = calendar("Asia/Kathmandu", retention_days=1)
    folded = fold(events, kept, COUNT_ALL, NOW, stamp=stamp)
    assert folded.expired == sum(folded.causes.values()) == fold(events, kept, COUNT_ALL, NOW).expired


@pytest.mark.parametrize(
    ("age", "expected"), [(timedelta(days=45), 2), (timedelta(days=45, microseconds=1), 1)]
)
def test_an_event_of_an_expired_bucket_still_counts_in_its_day(age: timedelta, expected: int) -> None:
    """A bucket is kept for 45 days after its end, which is at noon here."""
    occurred_at = NOW - age
    folded = fold([event("alice", occurred_at)], calendar(bucket_retention_days=45), COUNT_ALL, NOW)
    assert len(folded.additions) == expected
    assert folded.additions[0].counter == keys.Counter("acme", occurred_at.date())
    assert folded.expired == 0


@given(EVENTS)
def test_no_expired_counter_is_written(events: list[Event]) -> None:
    kept = calendar("Asia/Kathmandu", retention_days=2, bucket_retention_days=1)
    for addition in fold(events, kept, COUNT_ALL, NOW).additions:
        assert addition.expires_at > NOW.timestamp()


def test_without_a_retention_counters_have_no_expiry() -> None:
    assert {
        addition.expires_at for addition in fold([event("alice")], calendar(), COUNT_ALL, NOW).additions
    } == {0}


def without(*, event_types: Collection[str] = (), user_types: Collection[str] = ()) -> ActivityFilter:
    return ActivityFilter(
        ignored_event_types=frozenset(event_types), ignored_user_types=frozenset(user_types)
    )


@pytest.mark.parametrize(
    ("activity_filter", "counted"),
    [
        (without(), {"alice", "robot", "guest", "typist"}),
        (without(user_types=["bot"]), {"alice", "guest", "typist"}),
        (without(user_types=["bot", "guest"]), {"alice", "typist"}),
        (without(user_types=["user"]), {"robot", "guest"}),
        (without(user_types=["Bot"]), {"alice", "robot", "guest", "typist"}),
        (without(event_types=["typing"]), {"alice", "robot", "guest"}),
        (without(event_types=["typing"], user_types=["bot"]), {"alice", "guest"}),
    ],
)
def test_types_of_events_and_of_users_can_be_ignored(
    activity_filter: ActivityFilter, counted: set[str]
) -> None:
    events = [
        Event("acme", NOW, "message", "alice"),
        Event("acme", NOW, "message", "robot", "bot"),
        Event("acme", NOW, "message", "guest", "guest"),
        Event("acme", NOW, "typing", "typist", "user"),
    ]
    folded = fold(events, calendar(), activity_filter, NOW)
    assert {user for addition in folded.additions for user in addition.user_ids} == counted
    assert (folded.ignored, folded.anonymous, folded.expired) == (len(events) - len(counted), 0, 0)


def test_a_user_with_one_counted_event_is_counted() -> None:
    events = [Event("acme", NOW, "typing", "alice"), Event("acme", NOW, "message", "alice")]
    folded = fold(events, calendar(), without(event_types=["typing"]), NOW)
    assert all(addition.user_ids == {"alice"} for addition in folded.additions)
    assert folded.ignored == 1


def test_an_event_is_skipped_for_one_reason_only() -> None:
    events = [Event("acme", NOW, "typing"), Event("acme", NOW - timedelta(days=9), "typing", "alice")]
    folded = fold(events, calendar(retention_days=1), without(event_types=["typing"]), NOW)
    assert (folded.ignored, folded.anonymous, folded.expired) == (2, 0, 0)


def test_a_filter_that_ignores_nothing_returns_the_same_collection() -> None:
    events = [event("alice")]
    assert COUNT_ALL.of(events) is events


@given(EVENTS)
def test_no_two_counters_share_a_set(events: list[Event]) -> None:
    """The deduplication cache takes the sets over and adds to them."""
    sets = [id(addition.user_ids) for addition in fold(events, calendar(), COUNT_ALL, NOW).additions]
    assert len(sets) == len(set(sets))
