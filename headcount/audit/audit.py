"""The audit: reads the log once more, up to the checkpoints, and holds the counters against it.

A counter is a union, so that it may be projected again beside the live ones, or straight into them: what was
counted already changes nothing. A worker may go on meanwhile: what it adds is no damage.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from redis.asyncio import Redis

from headcount.audit.report import Findings, Report
from headcount.audit.scope import Scope, check_unmoved, read_scope
from headcount.clients import worker_redis
from headcount.composition import calendar, pseudonyms, utc_now
from headcount.log.access import open_log
from headcount.log.reader import LogReader
from headcount.settings import Settings
from ingest.batch import Batch
from ingest.errors import UnavailableError
from ingest.sorting import Sorter
from projector.calendar import Calendar
from projector.pseudonyms import Pseudonyms
from projector.repair import MENDED, Repair
from projector.scratch import Scratch


class Audit:
    """One audit; `done` of `total` offsets of the log are read."""

    def __init__(
        self,
        scope: Scope,
        *,
        log: LogReader,
        redis: Redis,
        sorter: Sorter,
        calendar: Calendar,
        pseudonyms: Pseudonyms,
    ) -> None:
        self.total = scope.size
        self.done = 0
        self._records = 0
        self._scope = scope
        self._log = log
        self._redis = redis
        self._sorter = sorter
        self._calendar = calendar
        self._pseudonyms = pseudonyms

    async def compare(self) -> Report:
        """Find damaged counters, and write to none; raises `UnavailableError`, `UnreadableError`."""
        scratch = Scratch(self._redis, self._calendar, self._pseudonyms, clock=utc_now)
        findings = Findings(self._calendar)
        try:
            await scratch.begin(self._scope.beginnings())
            async for batch in self._batches():
                await scratch.apply(batch)
            async for finding in scratch.compare():
                findings.note(finding)
        finally:
            with suppress(UnavailableError):  # it expires by itself
                await scratch.remove()
        await check_unmoved(self._scope, self._redis)
        return findings.report(self._records)

    async def repair(self) -> Report:
        """Add to the counters what they lack; raises as `compare` does."""
        repair = Repair(self._redis, self._calendar, self._pseudonyms, clock=utc_now)
        findings = Findings(self._calendar, mended=MENDED)
        async for batch in self._batches():
            for finding in await repair.add(batch.events):
                findings.note(finding)
        await check_unmoved(self._scope, self._redis)
        return findings.report(self._records)

    async def _batches(self) -> AsyncIterator[Batch]:
        """Read what was counted, sorted as a worker does; each batch starts where the one before ended."""
        for partition, spans in self._scope.spans.items():
            start = spans[0].beginning
            for span in spans:
                position = span.beginning
                async for portion in self._log.read(partition, span):
                    events = self._sorter.sort(partition, portion.records, utc_now()).events
                    yield Batch(partition=partition, start=start, end=portion.end, events=events)
                    self._records += len(portion.records)
                    self.done += portion.end - position
                    start = position = portion.end


@asynccontextmanager
async def open_audit(settings: Settings) -> AsyncIterator[Audit]:
    """Find out what to audit; raises `RefusedError` where that makes no sense, `UnavailableError`."""
    async with open_log(settings, settings.kafka_topic) as log, worker_redis(settings) as redis:
        yield Audit(
            await read_scope(settings, redis, log),
            log=log,
            redis=redis,
            sorter=Sorter(max_event_bytes=settings.max_event_bytes),
            calendar=calendar(settings),
            pseudonyms=pseudonyms(settings),
        )
