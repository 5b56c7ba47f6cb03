"""The replay: recorded activity becomes events in Kafka."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, Protocol

from headcount.ops.replay.pace import Pace
from headcount.ops.replay.recording import Activity, encode

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
