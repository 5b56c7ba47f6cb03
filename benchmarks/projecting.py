"""Events on their whole way: published to Kafka, and counted in Redis by one worker."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Final

from headcount.ops.replay.publisher import open_publisher
from headcount.ops.status import read_status
from headcount.preflight.connections import create_topics
from headcount.wiring import Config
from ingest.errors import UnavailableError

REFRESH_SECONDS: Final = 0.5
EVENTS_A_TURN: Final = 1_000

Report = Callable[[int], None]
"""Told a number of events: how many are done by now."""


async def publish(config: Config, values: Iterable[bytes], published: Report) -> None:
    """Make the topic and publish the values to it; return when all are acknowledged."""
    await create_topics(config)
    async with open_publisher(config) as publisher:
        for number, value in enumerate(values):
            await publisher.publish(value)
            if number % EVENTS_A_TURN == 0:
                published(publisher.acknowledged)
        await publisher.flush()
        published(publisher.acknowledged)


async def project(config: Config, events: int, counted: Report) -> None:
    """Run one worker until its checkpoints have passed that many events, which must be the whole log."""
    async with working(config) as worker:
        while await _count(config, counted) < events:
            await asyncio.sleep(REFRESH_SECONDS)
            if worker.returncode is not None:
                raise RuntimeError(f"the worker ended by itself, with {worker.returncode}")


async def _count(config: Config, counted: Report) -> int:
    """Return how many events the checkpoints have passed, the last of them only once all is caught up."""
    with suppress(UnavailableError):  # Redis has one thread, and the worker keeps it busy
        status = await read_status(config)
        passed = sum(partition.checkpoint or 0 for partition in status.partitions)
        counted(passed)
        return passed - status.catching_up
    return 0


@asynccontextmanager
async def working(config: Config) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run `headcount worker`, as an operator does."""
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "headcount", "worker", env={**os.environ, **environment_of(config)}
    )
    try:
        yield worker
    finally:
        with suppress(ProcessLookupError):
            worker.terminate()
        await worker.wait()


def environment_of(config: Config) -> dict[str, str]:
    return {
        "KAFKA_BOOTSTRAP_SERVERS": config.kafka.bootstrap_servers,
        "KAFKA_TOPIC": config.kafka.topic,
        "KAFKA_GROUP_ID": config.kafka.group_id,
        "REDIS_URL": config.redis.url,
        "USER_ID_HASH_KEY": config.counting.user_id_hash_key or "",
        "RETENTION_DAYS": str(config.counting.retention_days),
        "BUCKET_RETENTION_DAYS": str(config.counting.bucket_retention_days),
        "WORKER_METRICS_PORT": "off",
        "LOG_LEVEL": "error",
    }
