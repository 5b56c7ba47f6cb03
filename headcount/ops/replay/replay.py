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
    """Asked for each activity, in order."""

    def delay(self, occurred_at: datetime) -> float | None:
        """Say how many seconds the activity has to wait, or None if the replay ends before it."""
        ...


class FullSpeed:
    """Everything that has occurred, at once; what the clock has not reached is left out."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def delay(self, occurred_at: datetime) -> float | None:
        return NOW if occurred_at <= self._clock() else None


class RecordedPace:
    """The recording's own pace, `speed` times as fast until it has caught up with the clock."""

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
    """How many events Kafka acknowledged, and why the replay ended: at the recording's end or before."""

    published: int
    end: End


async def wait(stopping: asyncio.Event, seconds: float) -> None:
    """Wait that long, or until the stop is asked for."""
    with suppress(TimeoutError):
        await asyncio.wait_for(stopping.wait(), seconds)


class Replay:
    """One replay into a sink; `stopping` ends it early. Either way, every event sent is acknowledged."""

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
                await self._sink.flush()  # what is due is not held back by what is not
                await self._wait(self._stopping, delay)
                if self._stopping.is_set():
                    return "interrupted"
            if delay is None:
                return "clock"
            if self._stopping.is_set():
                return "interrupted"
            await self._sink.publish(encode(activity, event_type))
        return "complete"
