"""The audit: reads the log once more, up to the checkpoints, and holds the counters against it.

A counter is a union, so that it may be projected again beside the live ones, or straight into them: what was
counted already changes nothing. A worker may go on meanwhile: what it adds is no damage.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from redis.asyncio import Redis

from headcount.audit.report import Findings, Report
from headcount.clients import worker_redis
from headcount.composition import calendar, people, utc_now
from headcount.log.access import open_log
from headcount.log.counted_events import CountedEvents
from headcount.log.scope import Scope, check_same_people, check_unmoved, read_scope
from headcount.settings import Settings
from ingest.errors import UnavailableError
from ingest.sorting import Sorter
from projector.calendar import Calendar
from projector.people import People
from projector.repair import MENDED, Repair
from projector.scratch import Scratch


class Audit:
    """One audit; `events` tells how far the log is read."""

    def __init__(
        self,
        scope: Scope,
        events: CountedEvents,
        *,
        redis: Redis,
        calendar: Calendar,
        people: People,
    ) -> None:
        self.events = events
        self._scope = scope
        self._redis = redis
        self._calendar = calendar
        self._people = people

    async def compare(self) -> Report:
        """Find damaged counters, and write to none; raises `UnavailableError`, `UnreadableError`."""
        scratch = Scratch(self._redis, self._calendar, self._people, clock=utc_now)
        findings = Findings(self._calendar)
        try:
            await scratch.begin(self._scope.beginnings())
            async for batch in self.events.batches():
                await scratch.apply(batch)
            async for finding in scratch.compare():
                findings.note(finding)
        finally:
            with suppress(UnavailableError):  # it expires by itself
                await scratch.remove()
        await check_unmoved(self._scope, self._redis)
        await check_same_people(self._scope, self._redis)
        return findings.report(self.events.records)

    async def repair(self) -> Report:
        """Add to the counters what they lack; raises as `compare` does."""
        repair = Repair(self._redis, self._calendar, self._people, clock=utc_now)
        findings = Findings(self._calendar, mended=MENDED)
        async for batch in self.events.batches():
            for finding in await repair.add(batch.events):
                findings.note(finding)
        await check_unmoved(self._scope, self._redis)
        return findings.report(self.events.records)


@asynccontextmanager
async def open_audit(settings: Settings) -> AsyncIterator[Audit]:
    """Find out what to audit; raises `RefusedError` where that makes no sense, `UnavailableError`."""
    async with open_log(settings, settings.kafka_topic) as log, worker_redis(settings) as redis:
        scope = await read_scope(settings, redis, log)
        sorter = Sorter(max_event_bytes=settings.max_event_bytes)
        yield Audit(
            scope,
            CountedEvents(scope, log=log, sorter=sorter, clock=utc_now),
            redis=redis,
            calendar=calendar(settings),
            people=people(settings),
        )
