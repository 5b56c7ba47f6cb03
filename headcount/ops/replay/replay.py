"""The replay: publishes recorded activity as events, at the recorded pace or at full speed."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, Protocol

from headcount.ops.replay.recording import Activity, encode

Clock = Callable[[], datetime]
NOW: Final = 0.0


class Pace(Protocol):
    """Decides when an activity is published; called for each activity, in order."""

    def delay(self, occurred_at: datetime) -> float | None:
        """Return the seconds to wait before the activity, or None if the replay ends before it."""
        ...


class FullSpeed:
    """Publishes past activity without a pause; future-dated activity is skipped."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def delay(self, occurred_at: datetime) -> float | None:
        return NOW if occurred_at <= self._clock() else None


class RecordedPace:
    """Publishes at the pace of the recording, `speed` times as fast until it has caught up with the clock."""

    def __init__(self, clock: Clock, speed: float) -> None:
        self._clock = clock
        self._speed = speed
        self._first: datetime | None = None
        self._start = clock()

    def delay(self, occurred_at: datetime) -> float:
        self._first = self._first or occurred_at
        due = max(self._start + (occurred_at - self._first) / self._speed, occurred_at)
        return max(NOW, (due - self._clock()).total_seconds())


End = Literal["complete", "clock", "interrupted"]
Wait = Callable[[asyncio.Event, float], Awaitable[None]]


class Sink(Protocol):
    """Where events go; see `headcount.ops.replay.publisher.Publisher`."""

    acknowledged: int

    async def publish(self, value: bytes) -> None: ...

    async def flush(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """The number of events that Kafka acknowledged, and why the replay ended."""

    published: int
    end: End


async def wait(stopping: asyncio.Event, seconds: float) -> None:
    """Wait for so many seconds, or until a stop is requested."""
    with suppress(TimeoutError):
        await asyncio.wait_for(stopping.wait(), seconds)


class Replay:
    """One replay into a sink; `stopping` ends it early. All published events are acknowledged at the end."""

    def __init__(self, sink: Sink, pace: Pace, stopping: asyncio.Event, *, wait: Wait = wait) -> None:
        self._sink = sink
        self._pace = pace
        self._stopping = stopping
        self._wait = wait

    async def run(self, activities: Iterable[Activity], event_type: str) -> Outcome:
        before = self._sink.acknowledged
        end = await self._publish(activities, event_type)
        await self._sink.flush()
        return Outcome(self._sink.acknowledged - before, end)

    async def _publish(self, activities: Iterable[Activity], event_type: str) -> End:
        for activity in activities:
            while delay := self._pace.delay(activity.occurred_at):
                await self._sink.flush()  # so that a pause does not delay the events before it
                await self._wait(self._stopping, delay)
                if self._stopping.is_set():
                    return "interrupted"
            if delay is None:
                return "clock"
            if self._stopping.is_set():
                return "interrupted"
            await self._sink.publish(encode(activity, event_type))
        return "complete"
