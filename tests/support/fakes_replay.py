"""Fakes of what a replay is given: a log in memory, and a clock that moves when somebody waits for it."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import orjson

NOW = datetime(2026, 3, 4, 12, 30, tzinfo=UTC)


@dataclass
class FakeSink:
    """Takes every event, and acknowledges those before a flush at the flush."""

    acknowledged: int = 0
    values: list[bytes] = field(default_factory=list)
    error: Exception | None = None

    async def publish(self, value: bytes) -> None:
        self.values.append(value)

    async def flush(self) -> None:
        if self.error is not None:
            raise self.error
        self.acknowledged = len(self.values)

    @property
    def instants(self) -> list[datetime]:
        """When the events occurred, in the order of their publishing."""
        return [datetime.fromisoformat(orjson.loads(value)["occurred_at"]) for value in self.values]


@dataclass
class FakeClock:
    """Stands still, but for waiting; `waits` are the seconds of each wait."""

    now: datetime = NOW
    waits: list[float] = field(default_factory=list)

    def __call__(self) -> datetime:
        return self.now

    async def wait(self, stopping: asyncio.Event, seconds: float) -> None:
        """Stand in for `headcount.ops.replay.replay.wait`."""
        self.waits.append(seconds)
        if not stopping.is_set():
            self.now += timedelta(seconds=seconds)
