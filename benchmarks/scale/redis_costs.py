"""What Redis knows of a count under way: how far it has come, and what it has cost Redis."""

import asyncio
from asyncio.subprocess import Process
from typing import Final

from redis.asyncio import Redis

from projector.checkpoints import read_progress

LOOK_SECONDS: Final = 0.02


async def read_cpu_seconds(redis: Redis) -> float:
    """Return the CPU time, user and system, of the server so far, its threads included."""
    cpu = await redis.info("cpu")
    return float(cpu["used_cpu_user"] + cpu["used_cpu_sys"])


async def counted_events(redis: Redis, at_least: int, worker: Process) -> int:
    """Wait until so many events are counted, and return how many are; raises where the worker ends before."""
    while (counted := sum((await read_progress(redis)).checkpoints.values())) < at_least:
        if worker.returncode is not None:
            raise RuntimeError(f"the worker ended by itself, with {worker.returncode}")
        await asyncio.sleep(LOOK_SECONDS)
    return counted
