"""The live replay: goes on from where the last run left off, and never ahead of the clock."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headcount.demo.live import Bookmark, LiveReplay, starting_point
from headcount.ops.replay.recording import encode, read
from headcount.ops.replay.week import SAMPLE, Week, midnight, spread
from ingest.errors import UnavailableError
from tests.support.fakes_replay import NOW, FakeClock, FakeSink
from tests.support.waiting import wait_until, within

WEEK = Week(tuple(spread(read(SAMPLE)))[::100])  # thinned out: each test publishes it whole
FIRST_DAY = midnight(NOW.date()) - timedelta(days=6)

steps = st.integers(0, 10 * 24 * 3600).map(lambda seconds: timedelta(seconds=seconds))


@pytest.fixture
def bookmark(tmp_path: Path) -> Bookmark:
    return Bookmark(tmp_path / "replay.json", "user-activity")


def expected(after: datetime, until: datetime) -> list[bytes]:
    return [encode(activity, "message") for activity in WEEK.between(after, until)]


async def test_the_first_run_publishes_the_week_that_ends_now(bookmark: Bookmark) -> None:
    sink = FakeSink()
    published = await LiveReplay(WEEK, sink, bookmark, FakeClock()).catch_up()
    assert sink.values == expected(FIRST_DAY, NOW)
    assert published == sink.acknowledged == len(sink.values)


async def test_the_next_run_goes_on_from_there(bookmark: Bookmark) -> None:
    sink, later = FakeSink(), NOW + timedelta(days=2)
    await LiveReplay(WEEK, sink, bookmark, FakeClock()).catch_up()
    await LiveReplay(WEEK, sink, bookmark, FakeClock(later)).catch_up()
    assert sink.values == expected(FIRST_DAY, later)


async def test_a_run_long_after_reaches_back_no_further_than_its_week(bookmark: Bookmark) -> None:
    bookmark.write(NOW - timedelta(days=90))
    sink = FakeSink()
    await LiveReplay(WEEK, sink, bookmark, FakeClock()).catch_up()
    assert sink.values == expected(FIRST_DAY, NOW)


async def test_another_topic_starts_anew(bookmark: Bookmark, tmp_path: Path) -> None:
    bookmark.write(NOW)
    assert Bookmark(tmp_path / "replay.json", "another").read() is None


async def test_what_is_not_acknowledged_is_published_again(bookmark: Bookmark) -> None:
    broken = FakeSink(error=UnavailableError("Kafka is away"))
    with pytest.raises(UnavailableError):
        await LiveReplay(WEEK, broken, bookmark, FakeClock()).catch_up()
    assert bookmark.read() is None


async def test_a_clock_that_was_set_back_publishes_nothing_ahead_of_it(bookmark: Bookmark) -> None:
    bookmark.write(NOW + timedelta(days=1))
    sink, clock = FakeSink(), FakeClock()
    live = LiveReplay(WEEK, sink, bookmark, clock)
    assert await live.catch_up() == 0
    clock.now += timedelta(hours=1)
    await live.catch_up()
    assert all(instant <= clock.now for instant in sink.instants)


@given(st.lists(steps, max_size=6))
@settings(deadline=None)  # each bookmark is synced to the disk
async def test_however_often_it_catches_up_each_activity_is_published_once_and_never_early(
    tmp_path_factory: pytest.TempPathFactory, moves: Sequence[timedelta]
) -> None:
    path = tmp_path_factory.mktemp("home") / "replay.json"
    sink, clock = FakeSink(), FakeClock()
    live = LiveReplay(WEEK, sink, Bookmark(path, "user-activity"), clock)
    await live.catch_up()
    for move in moves:
        clock.now += move
        await live.catch_up()
        assert sink.instants[-1] <= clock.now
    assert sink.values == expected(FIRST_DAY, clock.now)


async def test_following_publishes_as_the_clock_goes_on_until_it_is_stopped(bookmark: Bookmark) -> None:
    sink, clock, stopping = FakeSink(), FakeClock(), asyncio.Event()
    following = asyncio.create_task(LiveReplay(WEEK, sink, bookmark, clock).follow(stopping))
    await wait_until(lambda: sink.values == expected(FIRST_DAY, NOW))
    clock.now += timedelta(hours=1)
    await wait_until(lambda: sink.values == expected(FIRST_DAY, clock.now))
    stopping.set()
    async with within(5):
        await following


@given(st.none() | st.datetimes().map(lambda moment: moment.replace(tzinfo=NOW.tzinfo)))
def test_the_starting_point_lies_between_the_week_and_now(published_until: datetime | None) -> None:
    point = starting_point(published_until, NOW)
    assert FIRST_DAY <= point <= NOW
    if published_until is not None and FIRST_DAY <= published_until <= NOW:
        assert point == published_until
