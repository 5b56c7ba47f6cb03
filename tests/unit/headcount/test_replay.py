"""A replay: at each pace, never ahead of the clock, and with every event acknowledged at its end."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headcount.ops.replay.recording import Activity, encode
from headcount.ops.replay.replay import FullSpeed, Outcome, Pace, RecordedPace, Replay, wait
from ingest.errors import UnavailableError
from tests.support.fakes_replay import NOW, FakeClock, FakeSink
from tests.support.waiting import within


def at(*minutes: float) -> list[Activity]:
    """Make activities so many minutes after now."""
    return [Activity(NOW + timedelta(minutes=minute), "css", f"user-{minute}") for minute in minutes]


async def replay(
    activities: Sequence[Activity],
    pace: Pace,
    clock: FakeClock,
    sink: FakeSink,
    stopping: asyncio.Event | None = None,
) -> Outcome:
    running = Replay(sink, pace, stopping or asyncio.Event(), wait=clock.wait)
    return await running.run(activities, "message")


async def test_full_speed_publishes_everything_without_waiting() -> None:
    clock, sink = FakeClock(), FakeSink()
    recorded = at(-600, -30, 0)
    assert await replay(recorded, FullSpeed(clock), clock, sink) == Outcome(3, "complete")
    assert sink.values == [encode(activity, "message") for activity in recorded]
    assert not clock.waits


async def test_full_speed_ends_at_the_clock() -> None:
    clock, sink = FakeClock(), FakeSink()
    assert await replay(at(-1, 1, 2), FullSpeed(clock), clock, sink) == Outcome(1, "clock")


async def test_a_pace_keeps_the_recorded_distances() -> None:
    clock, sink = FakeClock(), FakeSink()
    outcome = await replay(at(-600, -599, -590), RecordedPace(clock, 10), clock, sink)
    assert outcome == Outcome(3, "complete")
    assert clock.waits == [6, 54]


async def test_a_pace_goes_on_in_real_time_once_it_has_caught_up_with_the_clock() -> None:
    clock, sink = FakeClock(), FakeSink()
    await replay(at(-10, 5, 6), RecordedPace(clock, 1000), clock, sink)
    assert sum(clock.waits) == pytest.approx(6 * 60)


async def test_what_is_due_is_acknowledged_before_a_wait() -> None:
    sink, acknowledged = FakeSink(), []

    async def note(_stopping: asyncio.Event, seconds: float) -> None:
        acknowledged.append(sink.acknowledged)
        clock.now += timedelta(seconds=seconds)

    clock = FakeClock()
    await Replay(sink, RecordedPace(clock, 1), asyncio.Event(), wait=note).run(at(-9, -8, -7), "message")
    assert acknowledged == [1, 2]


@given(
    st.lists(st.floats(-1e5, 1e3), max_size=20).map(sorted),
    st.floats(0.01, 1e6),
)
async def test_no_event_is_ever_published_before_it_has_occurred(
    minutes: Sequence[float], speed: float
) -> None:
    clock = FakeClock()
    published: list[tuple[datetime, datetime]] = []

    class Watching(FakeSink):
        async def publish(self, value: bytes) -> None:
            await super().publish(value)
            published.append((self.instants[-1], clock.now))

    await replay(at(*minutes), RecordedPace(clock, speed), clock, Watching())
    assert len(published) == len(minutes)
    assert all(occurred_at <= now for occurred_at, now in published)


async def test_a_stop_ends_the_replay_with_what_was_sent_acknowledged() -> None:
    clock, sink, stopping = FakeClock(), FakeSink(), asyncio.Event()

    async def stop(stopping: asyncio.Event, _seconds: float) -> None:
        stopping.set()

    running = Replay(sink, RecordedPace(clock, 1), stopping, wait=stop)
    assert await running.run(at(-9, -8, -7), "message") == Outcome(1, "interrupted")


async def test_a_stop_ends_a_replay_at_full_speed() -> None:
    clock, sink, stopping = FakeClock(), FakeSink(), asyncio.Event()
    stopping.set()
    assert await replay(at(-1), FullSpeed(clock), clock, sink, stopping) == Outcome(0, "interrupted")


async def test_events_that_are_not_taken_fail_the_replay() -> None:
    clock, sink = FakeClock(), FakeSink(error=UnavailableError("Kafka is away"))
    with pytest.raises(UnavailableError, match="Kafka is away"):
        await replay(at(-1), FullSpeed(clock), clock, sink)


async def test_waiting_ends_with_the_stop() -> None:
    stopping = asyncio.Event()
    asyncio.get_running_loop().call_soon(stopping.set)
    async with within(5):
        await wait(stopping, 3600)


async def test_waiting_ends_with_its_time() -> None:
    stopping = asyncio.Event()
    await wait(stopping, 0.001)
    assert not stopping.is_set()
