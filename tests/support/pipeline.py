"""A whole pipeline on fakes: a log, a projection, dead letters, and workers between them."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from ingest.batch import Partition
from ingest.events.decoding import RecordDecoder
from ingest.worker.loop import Worker
from ingest.worker.stats import Stats
from projector import keys
from tests.support.fakes_log import NOW, FakeLog, FakeRecord, FakeSource
from tests.support.fakes_projection import FakeDeadLetters, FakeProjection, Projected
from tests.support.steps import Steps
from tests.support.virtual_time import wait_until


def event(user_id: str, **fields: str) -> FakeRecord:
    """Return a record that holds an event of today."""
    occurred_at = NOW.isoformat().replace("+00:00", "Z")
    document = {"workspace_id": "acme", "user_id": user_id, "type": "message", "occurred_at": occurred_at}
    return FakeRecord(value=json.dumps(document | fields).encode())


def no_event(value: bytes = b"no event") -> FakeRecord:
    return FakeRecord(value=value)


class Pipeline:
    """The world that workers run in; it outlives them. Its clock is the event loop's.

    `source` is that of the worker started last.
    """

    def __init__(self, partitions: int = 1, *, poll_records: int = 5_000, steps: Steps | None = None) -> None:
        self.log = FakeLog(partitions)
        self.partitions = self.log.partitions
        self.steps = steps or Steps()
        self.stored = Projected()
        self.dead_letters = FakeDeadLetters(steps=self.steps)
        self.stats = Stats()
        self.source: FakeSource
        self._poll_records = poll_records

    @asynccontextmanager
    async def worker(self) -> AsyncIterator["RunningWorker"]:
        """Run a worker, and have it leave cleanly at the end."""
        running = await self.start_worker()
        try:
            yield running
        finally:
            await running.close_within()

    async def start_worker(self) -> "RunningWorker":
        source = FakeSource(self.log, steps=self.steps, poll_records=self._poll_records)
        await source.start()
        self.source = source
        worker = Worker(
            source=source,
            projection=FakeProjection(self.stored, steps=self.steps, clock=now),
            dead_letters=self.dead_letters,
            decoder=RecordDecoder(max_event_bytes=1_000),
            clock=now,
            stats=self.stats,
        )
        return RunningWorker(worker, source)

    def users(self, workspace_id: str = "acme") -> set[str]:
        """Return who was counted today."""
        return self.stored.counters.get(keys.FIRST.day(workspace_id, NOW.date()), set())

    def lags(self) -> Mapping[Partition, int]:
        checkpoints = self.stored.checkpoints
        return {each: self.log.extent(each).end - checkpoints.get(each, -1) for each in self.partitions}

    def is_caught_up(self) -> bool:
        """Tell whether everything is counted, and whoever reads the projection knows it."""
        return not any(self.lags().values()) and self.stored.as_of.keys() == set(self.partitions)

    async def until_caught_up(self) -> None:
        await wait_until(self.is_caught_up, message="the projection caught up")


class RunningWorker:
    """A worker at work."""

    def __init__(self, worker: Worker, source: FakeSource) -> None:
        self.stopping = asyncio.Event()
        self.run = asyncio.create_task(worker.run(self.stopping))
        self._source = source

    async def close_within(self) -> None:
        """Ask it to stop, and wait until it has."""
        self.stopping.set()
        try:
            await self.run
        finally:
            await self._source.stop()

    async def die(self) -> None:
        """End it where it stands; the group finds out."""
        self.run.cancel()
        await asyncio.wait([self.run])
        await self.drop_out()

    async def drop_out(self) -> None:
        """Have the group give up on it, which it does not know of."""
        await self._source.stop()


def now() -> datetime:
    return NOW + timedelta(seconds=asyncio.get_running_loop().time())
