"""The audit: reads the log again, up to the checkpoints, and compares the counters with it.

A counter is a union, so the log can be projected again into separate counters, or into the live ones: users
who are counted already change nothing. Workers may keep counting: what they add is not damage.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from headcount.clients import worker_redis
from headcount.ops.audit.report import Findings, Report
from headcount.ops.log_check import check_same_people, check_unmoved
from headcount.ops.log_scope import CountedEvents, Scope, read_scope
from headcount.preflight.connections import open_log
from headcount.wiring import Config, calendar, counted_users, utc_now
from ingest.errors import UnavailableError
from ingest.events.decoding import RecordDecoder
from projector.calendar import Calendar
from projector.counted_users import CountedUsers
from projector.rebuild.repair import REPAIRED, Repair
from projector.rebuild.shadow import ShadowProjection
from projector.redis import Redis


class Audit:
    """One audit; `events` reports its progress."""

    def __init__(
        self,
        scope: Scope,
        events: CountedEvents,
        *,
        redis: Redis,
        calendar: Calendar,
        counted_users: CountedUsers,
    ) -> None:
        self.events = events
        self._scope = scope
        self._redis = redis
        self._calendar = calendar
        self._counted_users = counted_users

    async def compare(self) -> Report:
        """Find damaged counters without writing to any; raises `UnavailableError`, `UnreadableError`."""
        shadow = ShadowProjection(self._redis, self._calendar, self._counted_users, clock=utc_now)
        findings = Findings(self._calendar)
        try:
            await shadow.begin(self._scope.beginnings())
            async for batch in self.events.batches():
                await shadow.apply(batch)
            async for finding in shadow.compare():
                findings.note(finding)
        finally:
            with suppress(UnavailableError):  # it expires by itself
                await shadow.remove()
        await check_unmoved(self._scope.progress, self._redis)
        await check_same_people(self._scope.progress, self._redis)
        return findings.report(self.events.records)

    async def repair(self) -> Report:
        """Add to the counters what they lack; raises as `compare` does."""
        repair = Repair(self._redis, self._calendar, self._counted_users, clock=utc_now)
        findings = Findings(self._calendar, repaired=REPAIRED)
        async for batch in self.events.batches():
            for finding in await repair.add(batch.events):
                findings.note(finding)
        await check_unmoved(self._scope.progress, self._redis)
        return findings.report(self.events.records)


@asynccontextmanager
async def open_audit(config: Config) -> AsyncIterator[Audit]:
    """Prepare an audit; raises `OperatorError` if there is nothing to audit, and `UnavailableError`."""
    async with open_log(config, config.kafka.topic) as log, worker_redis(config) as redis:
        scope = await read_scope(config, redis, log)
        decoder = RecordDecoder(max_event_bytes=config.counting.max_event_bytes)
        yield Audit(
            scope,
            CountedEvents(scope, log=log, decoder=decoder, clock=utc_now),
            redis=redis,
            calendar=calendar(config),
            counted_users=counted_users(config),
        )
