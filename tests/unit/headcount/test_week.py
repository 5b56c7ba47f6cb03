"""The sample week on the calendar: seamless, in order, and with each weekday's own shape."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headcount.ops.replay.recording import Activity, read
from headcount.ops.replay.week import SAMPLE, Week, load_week, midnight, spread

WEEK = load_week()
THIN_WEEK = Week(tuple(spread(read(SAMPLE)))[::50])
BY_WEEKDAY: defaultdict[int, Counter[tuple[object, ...]]] = defaultdict(Counter)
for activity in read(SAMPLE):
    BY_WEEKDAY[activity.occurred_at.weekday()][activity[1:]] += 1

START = datetime(2026, 1, 1, tzinfo=UTC)

moments = st.integers(0, 30 * 24 * 3600 * 1000).map(lambda ms: START + timedelta(milliseconds=ms))


@given(st.lists(moments, min_size=3, max_size=3).map(sorted))
def test_two_spans_that_meet_hold_what_the_whole_span_holds(cuts: Sequence[datetime]) -> None:
    first, middle, last = cuts
    halves = [*THIN_WEEK.between(first, middle), *THIN_WEEK.between(middle, last)]
    assert halves == list(THIN_WEEK.between(first, last))


@given(st.lists(moments, min_size=2, max_size=2).map(sorted))
def test_a_span_is_in_order_and_holds_nothing_from_outside(cuts: Sequence[datetime]) -> None:
    after, until = cuts
    instants = [activity.occurred_at for activity in THIN_WEEK.between(after, until)]
    assert instants == sorted(instants)
    assert all(after < instant <= until for instant in instants)


@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)))
def test_a_day_has_the_people_of_the_samples_same_weekday(day: date) -> None:
    on_the_day = WEEK.between(midnight(day), midnight(day + timedelta(days=1)))
    assert Counter(activity[1:] for activity in on_the_day) == BY_WEEKDAY[day.weekday()]


@pytest.mark.parametrize("days", [7, 14])
def test_every_week_has_all_of_the_sample(days: int) -> None:
    assert len(list(WEEK.between(START, START + timedelta(days=days)))) == 17_135 * days / 7


@given(st.lists(st.integers(0, 5), max_size=30).map(sorted))
def test_activities_stay_in_their_minute_and_in_order(numbers: Sequence[int]) -> None:
    recorded = [Activity(START + timedelta(minutes=n), "css", str(i)) for i, n in enumerate(numbers)]
    spaced = list(spread(recorded))
    assert [activity.user_id for activity in spaced] == [activity.user_id for activity in recorded]
    assert [activity.occurred_at.replace(second=0, microsecond=0) for activity in spaced] == [
        activity.occurred_at for activity in recorded
    ]
    assert all(a.occurred_at < b.occurred_at for a, b in pairwise(spaced))


def test_a_lone_activity_stands_in_the_middle_of_its_minute() -> None:
    (alone,) = spread([Activity(START, "css", "fK")])
    assert alone.occurred_at == START + timedelta(seconds=30)


def test_a_span_over_several_weeks_repeats_the_week() -> None:
    week = Week([Activity(START + timedelta(days=day, hours=12), "css", str(day)) for day in range(7)])
    days = [activity.user_id for activity in week.between(START, START + timedelta(days=15))]
    assert days == [*"0123456", *"0123456", "0"]
