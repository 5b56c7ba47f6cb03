"""The rebuild: counts the log into new counters, compares them with the live ones and switches over.

The last offsets, up to the workers' checkpoints, are read while writes are paused, which takes a moment.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date
from typing import Final

from headcount.clients import worker_redis
from headcount.ops.erasures import open_erasure_log
from headcount.ops.log_check import lost_until
from headcount.ops.rebuild.counting import Counting
from headcount.ops.rebuild.report import Report, Terms, accept_only, changes_of_settings, day_of, make_report
from headcount.wiring import Config, calendar, counted_users, deployment, utc_now
from ingest.errors import UnavailableError
from ingest.kafka.log_reader import LogReader
from projector.checkpoints import read_progress
from projector.counted_users import CountedUsers, read_counted_users
from projector.counter_config import CounterConfig
from projector.deployment import Change
from projector.erasures import restore_erasures
from projector.gaps import read_acknowledged
from projector.keys import Counter
from projector.rebuild.finding import Finding
from projector.rebuild.next_generation import Consent, NextGeneration
from projector.rebuild.rebuild_lock import rebuild_lock, writes_paused
from projector.redis import Redis

TRIES: Final = 20
MOST_COMPARED: Final = 2_000
"""So many counters are compared again while writes are paused."""

NO_CHANGES: Final = accept_only(())

Judge = Callable[[Report], None]
"""Raises if the counters must not be replaced."""


class Rebuild:
    """One rebuild of a deployment's counters; `counting` reports its progress."""

    def __init__(
        self,
        counting: Counting,
        next_generation: NextGeneration,
        redis: Redis,
        *,
        config: Config,
        terms: Terms,
    ) -> None:
        self.counting = counting
        self._next_generation = next_generation
        self._redis = redis
        self._config = config
        self._terms = terms

    async def examine(self) -> Report:
        """Report the differences and discard the new counters; raises as `replace` does."""
        report = await self._finish(self._is_level)
        await self._next_generation.discard()
        return report

    async def replace(self, judge: Judge) -> Report:
        """Replace the live counters with the new ones, unless `judge` raises.

        Raises `UnavailableError`, and `UnreadableError` if records are damaged.
        """

        async def switch(report: Report) -> bool:
            judge(report)
            return await self._next_generation.switch()

        report = await self._finish(switch)
        await self._next_generation.remove_former()
        return replace(report, replaced=True)

    async def _finish(self, end: Callable[[Report], Awaitable[bool]]) -> Report:
        await self.counting.approach()
        suspects = await self._suspects()
        for _ in range(TRIES):
            await self.counting.approach()
            suspects = await self._still_differing(suspects)
            async with self.counting.log() as log:
                terms = replace(self._terms, lost_until=await self._lost_until(log))
                await self.counting.catch_up(log)
                async with writes_paused(self._redis):
                    await self.counting.catch_up(log)
                    # The newest counters are the likeliest to have changed since the last comparison.
                    recent = await self._still_differing(suspects[:MOST_COMPARED])
                    findings = [*recent, *suspects[MOST_COMPARED:]]
                    report = make_report(findings, self.counting.records, terms)
                    if await end(report):
                        return report
        raise UnavailableError(
            "The pause of the workers ended too early, and nothing was replaced. Start again when there is "
            "less traffic: the rebuild continues where it stopped."
        )

    async def _is_level(self, _report: Report) -> bool:
        """Return whether the new counters have reached the live checkpoints, so that the findings hold."""
        live = (await read_progress(self._redis)).checkpoints
        reached = await self._next_generation.checkpoints()
        return all(reached.get(partition, -1) >= checkpoint for partition, checkpoint in live.items())

    async def _suspects(self) -> Sequence[Finding]:
        """Return the differences, newest first; some exist only because the workers keep counting."""
        found = {each.counter: each async for each in self._next_generation.comparison().differences()}
        return sorted(found.values(), key=lambda finding: self._day(finding.counter), reverse=True)

    async def _still_differing(self, suspects: Sequence[Finding]) -> Sequence[Finding]:
        return await self._next_generation.comparison().states([finding.counter for finding in suspects])

    async def _lost_until(self, log: LogReader) -> date | None:
        gaps = [*await read_acknowledged(self._redis), *(await read_progress(self._redis)).gaps]
        instant = await lost_until(log, gaps, utc_now())
        return None if instant is None else self._terms.calendar.date_of(instant)

    def _day(self, counter: Counter) -> date:
        return day_of(counter, self._terms.calendar)


@asynccontextmanager
async def open_rebuild(config: Config, consent: Consent = NO_CHANGES) -> AsyncIterator[Rebuild]:
    """Begin a rebuild, or continue one that was interrupted; `consent` raises for unwanted changes.

    Raises `OperatorError` if there is nothing to rebuild or another rebuild is running;
    `UnavailableError`.
    """
    async with worker_redis(config) as redis, rebuild_lock(redis) as lock:
        consent(await _changes(config, redis))  # before anything is written
        progress = await read_progress(redis)
        if progress.topic_id is not None and progress.deployment.get("topic") == config.kafka.topic:
            async with open_erasure_log(config) as log:
                # Before the list is read: forgotten people that Redis lost would be counted again.
                await restore_erasures(redis, await log.read(), clock=utc_now)
        counted = await read_counted_users(redis, counted_users(config))
        counter_config = _counter_config(config, counted)
        next_generation = NextGeneration(redis, counter_config, counted, lock=lock, clock=utc_now)
        terms = _terms(counter_config, counted, await next_generation.begin(consent))
        counting = Counting(config, redis, next_generation)
        await counting.survey()
        yield Rebuild(counting, next_generation, redis, config=config, terms=terms)


async def read_changes(config: Config) -> list[Change]:
    """Return which settings a rebuild would change; raises as `open_rebuild` does, and writes nothing."""
    async with worker_redis(config) as redis:
        return changes_of_settings(await _changes(config, redis))


async def _changes(config: Config, redis: Redis) -> Sequence[Change]:
    counted = await read_counted_users(redis, counted_users(config))
    generation = NextGeneration(redis, _counter_config(config, counted), counted, lock=b"", clock=utc_now)
    return await generation.changes()


def _counter_config(config: Config, counted: CountedUsers) -> CounterConfig:
    return CounterConfig(deployment=deployment(config), calendar=calendar(config), revision=counted.revision)


def _terms(counter_config: CounterConfig, counted: CountedUsers, changes: Sequence[Change]) -> Terms:
    has_new_key = any(change.field == "user_id_hash_key" for change in changes)
    return Terms(
        calendar=counter_config.calendar,
        changes=changes,
        lost_until=None,
        unknown_forgotten=has_new_key and bool(counted.workspaces),
        forgotten=counted.forgotten,
        now=utc_now(),
    )
