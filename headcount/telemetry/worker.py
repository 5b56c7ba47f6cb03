"""The metrics of a worker, collected from its statistics at each scrape."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from math import inf
from typing import Final, get_args

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString
from redis.exceptions import RedisError

from headcount.telemetry import names
from headcount.telemetry.names import Metric, build
from ingest.events.event import DeadLetterReason
from ingest.ports import GapCause
from ingest.worker.state import PartitionState
from ingest.worker.stats import Histogram, Stats
from projector.expiry import EXPIRY_CAUSES
from projector.redis import Redis
from projector.stats import Stats as Counted

REDIS_SECONDS: Final = 1.0
"""The time that a scrape waits for Redis; all other metrics are exported in any case."""


@dataclass(frozen=True, slots=True)
class Memory:
    """In bytes; a limit of 0 is no limit. Both are None if Redis did not answer."""

    used: int | None = None
    limit: int | None = None


async def read_memory(redis: Redis) -> Memory:
    """Return the memory statistics of Redis, empty if it is unavailable."""
    with suppress(RedisError, TimeoutError):
        async with asyncio.timeout(REDIS_SECONDS):
            info = await redis.info("memory")
        return Memory(info.get("used_memory"), info.get("maxmemory"))
    return Memory()


REASONS: Final[tuple[DeadLetterReason, ...]] = get_args(DeadLetterReason)
GAP_CAUSES: Final = tuple(cause for cause in get_args(GapCause) if cause != "skipped")
"""Skips are made by a command, which exports no metrics."""


class WorkerCollector(Collector):
    """Exports every label value from the start, at 0, because an increase from nothing can't be seen.

    `memory` and `waiting_letters` are set by `worker_port`: for each scrape, and once a minute.
    """

    def __init__(self, stats: Stats, counted: Counted) -> None:
        self.memory = Memory()
        self.waiting_letters: int | None = None
        self._stats = stats
        self._counted = counted

    def collect(self) -> Iterator[Family]:
        """Yield all of `names.WORKER`."""
        yield from self._work()
        yield from self._partitions()
        yield from self._trouble()
        yield gauge(names.REDIS_MEMORY_USED, self.memory.used)
        yield gauge(names.REDIS_MEMORY_LIMIT, self.memory.limit)
        yield gauges(names.BUILD_INFO, {build(): 1})

    def _work(self) -> Iterator[Family]:
        stats, counted = self._stats, self._counted
        results = {
            "counted": counted.counted,
            "ignored": counted.ignored,
            "anonymous": counted.anonymous,
            "expired": counted.expired,
        }
        yield counter(names.RECORDS, stats.records)
        yield counters(names.EVENTS, results)
        yield counters(names.EXPIRED_EVENTS, {cause: counted.causes[cause] for cause in EXPIRY_CAUSES})
        yield counters(names.DEAD_LETTERS, {reason: stats.dead_letters[reason] for reason in REASONS})
        yield gauge(names.DEAD_LETTERS_WAITING, self.waiting_letters)
        yield counter(names.BATCHES, stats.batches)
        yield histogram(names.APPLY_SECONDS, stats.apply_seconds)
        yield histogram(names.EVENT_AGE_SECONDS, stats.event_age)

    def _partitions(self) -> Iterator[Family]:
        yield gauges(names.LAG, self._each(lambda state: state.lag))
        yield gauges(names.AS_OF, self._each(lambda state: _timestamp(state.as_of)))
        yield gauges(names.CATCHING_UP, self._each(lambda state: state.as_of is None))
        yield gauges(names.STOPPED, self._each(lambda state: state.stopped is not None))

    def _trouble(self) -> Iterator[Family]:
        stats = self._stats
        yield counter(names.WAITS, stats.waits)
        yield gauge(names.WAITING, stats.state.is_waiting)
        yield counter(names.ROLLBACKS, stats.rollbacks)
        yield counter(names.REFUSED_BATCHES, stats.refused)
        yield counters(names.GAPS, {cause: stats.gaps[cause] for cause in GAP_CAUSES})

    def _each(
        self, value: Callable[[PartitionState], float | None]
    ) -> Mapping[tuple[str, ...], float | None]:
        owned = sorted(self._stats.state.owned.items())
        return {(str(partition.number),): value(state) for partition, state in owned}


def _timestamp(instant: datetime | None) -> float | None:
    return None if instant is None else instant.timestamp()


def counter(metric: Metric, value: float) -> CounterMetricFamily:
    """Return a counter without labels."""
    return CounterMetricFamily(metric.name, metric.help, value=value)


def counters(metric: Metric, values: Mapping[str, float]) -> CounterMetricFamily:
    """Return a counter with one label, from values by label."""
    family = CounterMetricFamily(metric.name, metric.help, labels=metric.labels)
    for label, value in values.items():
        family.add_metric([label], value)
    return family


def gauge(metric: Metric, value: float | None) -> GaugeMetricFamily:
    """Return a gauge without labels, and without a sample if the value is None."""
    return GaugeMetricFamily(metric.name, metric.help, value=value)


def gauges(metric: Metric, values: Mapping[tuple[str, ...], float | None]) -> GaugeMetricFamily:
    """Return a gauge with labels; values of None yield no sample."""
    family = GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
    for labels, value in values.items():
        if value is not None:
            family.add_metric(labels, value)
    return family


def histogram(metric: Metric, observed: Histogram) -> HistogramMetricFamily:
    """Return a histogram without labels; the buckets of Prometheus are cumulative."""
    bounds = map(floatToGoString, (*observed.bounds, inf))
    buckets = list(zip(bounds, accumulate(observed.counts), strict=True))
    return HistogramMetricFamily(metric.name, metric.help, buckets=buckets, sum_value=observed.sum)
