"""A rebuild of a log, and of the same log once it is longer: what it takes while nothing else runs.

The log grows by whole days, with as many events a day as before: a longer one is only more of the same.
"""

import asyncio
import os
import resource
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Final

import orjson
import psutil

from benchmarks.backlog import Shape, make
from benchmarks.footprint import PeakMemory
from benchmarks.projecting import environment_of, publish, working
from benchmarks.scale.redis_costs import counted_events, read_cpu_seconds
from headcount.clients import worker_redis
from headcount.demo.running import running
from headcount.wiring import Config, utc_now

EVENTS_A_DAY: Final = 1_250_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """What `headcount rebuild` took, as a process of its own: its start and its comparison are in it.

    `worker_peak_megabytes` is what the worker took that had counted what the log grew by.
    """

    records: int
    days: int
    seconds: float
    records_per_second: float
    cpu_seconds: float
    redis_cpu_seconds: float
    peak_megabytes: float
    worker_peak_megabytes: float


async def rebuild_growing(config: Config, days: Sequence[int]) -> AsyncIterator[Rebuilt]:
    """Rebuild a log of so many days, and again each time that it has grown to as many as come next."""
    for before, now in pairwise((0, *days)):
        async with asyncio.TaskGroup() as growing:
            growing.create_task(_publish(config, newer_days=before, days=now - before))
            counting = growing.create_task(_count(config, now * EVENTS_A_DAY))
        yield await _rebuild(config, now, worker_peak_megabytes=counting.result())


async def _publish(config: Config, *, newer_days: int, days: int) -> None:
    """Publish the days that lie before those which are published already."""
    shape = Shape(events=days * EVENTS_A_DAY, days=days)
    values = make(shape, utc_now() - timedelta(days=newer_days))
    await publish(config, values, lambda _: None)


async def _count(config: Config, events: int) -> float:
    """Have a worker count until the log holds so many events; return its peak memory in megabytes."""
    async with worker_redis(config) as redis, working(config) as worker:
        peak = PeakMemory(psutil.Process(worker.pid))
        async with running(peak.watch):
            await counted_events(redis, events, worker)
    return peak.megabytes


async def _rebuild(config: Config, days: int, *, worker_peak_megabytes: float) -> Rebuilt:
    clock = asyncio.get_running_loop().time
    async with worker_redis(config) as redis:
        redis_before, cpu_before, began = await read_cpu_seconds(redis), _cpu_of_ended_children(), clock()
        output, peak_megabytes = await _run(config)
        seconds = clock() - began
        redis_cpu_seconds = await read_cpu_seconds(redis) - redis_before
    records = orjson.loads(output)["records"]
    return Rebuilt(
        records=records,
        days=days,
        seconds=round(seconds, 2),
        records_per_second=round(records / seconds),
        cpu_seconds=round(_cpu_of_ended_children() - cpu_before, 2),
        redis_cpu_seconds=round(redis_cpu_seconds, 2),
        peak_megabytes=round(peak_megabytes, 1),
        worker_peak_megabytes=round(worker_peak_megabytes, 1),
    )


async def _run(config: Config) -> tuple[bytes, float]:
    """Run it, and return what it printed and its peak memory in megabytes."""
    command = [sys.executable, "-m", "headcount", "rebuild", "--json"]
    environment = {**os.environ, **environment_of(config)}
    child = await asyncio.create_subprocess_exec(*command, env=environment, stdout=asyncio.subprocess.PIPE)
    peak = PeakMemory(psutil.Process(child.pid))
    async with running(peak.watch):
        output, _ = await child.communicate()
    if child.returncode:
        raise RuntimeError("the rebuild failed; what it said is above")
    return output, peak.megabytes


def _cpu_of_ended_children() -> float:
    """Return the CPU time of children that have ended: from before a rebuild to after it, that is its own."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
