"""What Kafka and Redis take while a contestant runs: a contestant's work could be left to them."""

import asyncio
import time
from bisect import bisect_left
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final

from benchmarks.footprint import cpu_seconds, embedded_server

SERVERS: Final = ("kafka", "valkey")
LOOK_SECONDS: Final = 0.05

Look = tuple[float, float]
"""An instant of the system's monotonic clock, which all its processes share, and CPU seconds until then."""


class ServersWatch:
    """Looks at the servers' CPU time again and again: when a contestant starts is known only afterwards."""

    def __init__(self) -> None:
        self._processes = [embedded_server(name) for name in SERVERS]
        self._looks: list[Look] = []

    def look(self) -> float:
        """Return the CPU seconds that both have taken so far, and keep them."""
        taken = sum(map(cpu_seconds, self._processes))
        self._looks.append((time.monotonic(), taken))
        return taken

    async def run(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(LOOK_SECONDS)

    def between(self, start: float, end: float) -> float:
        """Return the CPU seconds that both took between two instants of the monotonic clock."""
        return taken_at(self._looks, end) - taken_at(self._looks, start)


@asynccontextmanager
async def watched_servers() -> AsyncIterator[ServersWatch]:
    """Watch the servers for the block, its beginning and its end included."""
    watch = ServersWatch()
    task = asyncio.create_task(watch.run())
    try:
        yield watch
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        watch.look()


def taken_at(looks: Sequence[Look], instant: float) -> float:
    """Return the CPU seconds at an instant: on the line between the looks before and after it."""
    after = min(max(bisect_left(looks, (instant, 0.0)), 1), len(looks) - 1)
    (earlier, low), (later, high) = looks[after - 1], looks[after]
    return low + (high - low) * (instant - earlier) / (later - earlier)
