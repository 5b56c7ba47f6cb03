"""One worker at a backlog: what it and Redis take, from the first batch to the last, seen from outside."""

import asyncio
from dataclasses import dataclass
from typing import Any, Final

import psutil
from redis.asyncio import Redis

from benchmarks.footprint import MEGABYTE, PeakMemory, cpu_seconds
from benchmarks.projecting import working
from benchmarks.scale.redis_costs import counted_events, read_cpu_seconds
from headcount.clients import worker_redis
from headcount.demo.running import running
from headcount.wiring import Config

_ADDING: Final = ("cmdstat_sadd", "cmdstat_pfadd")


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What counting took: CPU time in seconds, memory in megabytes.

    `events` are those from the first look at which some were counted to the last. `script_seconds` is what
    Redis spent in scripts, and `additions` how often these added to a counter, both of the whole turn.
    `redis_megabytes` is what Redis held at its end.
    """

    events: int
    seconds: float
    worker_cpu_seconds: float
    redis_cpu_seconds: float
    script_seconds: float
    additions: int
    worker_peak_megabytes: float
    redis_megabytes: float


@dataclass(frozen=True, slots=True)
class _Mark:
    counted: int
    at: float
    worker_cpu_seconds: float
    redis_cpu_seconds: float


async def take_turn(config: Config, events: int) -> Turn:
    """Have a worker count a topic of so many events, from an empty Redis on."""
    async with worker_redis(config) as redis:
        await redis.flushall()
        await redis.config_resetstat()
        async with working(config) as child:
            worker = psutil.Process(child.pid)
            peak = PeakMemory(worker)
            async with running(peak.watch):
                first = await _mark(await counted_events(redis, 1, child), redis, worker)
                last = await _mark(await counted_events(redis, events, child), redis, worker)
        return _turn(first, last, peak.megabytes, await redis.info("everything"))


async def _mark(counted: int, redis: Redis, worker: psutil.Process) -> _Mark:
    at = asyncio.get_running_loop().time()
    return _Mark(counted, at, cpu_seconds(worker), await read_cpu_seconds(redis))


def _turn(first: _Mark, last: _Mark, peak_megabytes: float, info: dict[str, Any]) -> Turn:
    return Turn(
        events=last.counted - first.counted,
        seconds=round(last.at - first.at, 3),
        worker_cpu_seconds=round(last.worker_cpu_seconds - first.worker_cpu_seconds, 3),
        redis_cpu_seconds=round(last.redis_cpu_seconds - first.redis_cpu_seconds, 3),
        script_seconds=round(info["cmdstat_evalsha"]["usec"] / 1_000_000, 3),
        additions=sum(info[name]["calls"] for name in _ADDING if name in info),
        worker_peak_megabytes=round(peak_megabytes, 1),
        redis_megabytes=round(info["used_memory"] / MEGABYTE, 1),
    )
