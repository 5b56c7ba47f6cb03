"""Two workers of one group over one backlog, a half of the partitions each.

A worker that joins second gets its half only seconds later, when the first could have read all. So both join
while the topic looks empty: the backlog is published in a transaction, whose end is their start.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import cycle
from typing import Final

import psutil
from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder
from redis.asyncio import Redis

from benchmarks.backlog import Shape, make
from benchmarks.footprint import cpu_seconds
from benchmarks.projecting import working
from benchmarks.stage import with_topic
from benchmarks.throughput.run import Run, peak_rss_bytes
from benchmarks.throughput.servers import ServersWatch
from benchmarks.throughput.stage import TURN_SECONDS
from headcount.clients import kafka_options, worker_redis
from headcount.ops.replay.publisher import BATCH_BYTES
from headcount.preflight.connections import admin_client, create_topics
from headcount.wiring import Config, utc_now
from ingest.batch import Partition
from projector.checkpoints import read_progress

WORKERS: Final = 2
LOOK_SECONDS: Final = 0.01
JOIN_SECONDS: Final = 60.0
TRANSACTION_MILLISECONDS: Final = 600_000
STABLE: Final = "Stable"

Ends = Mapping[Partition, int]
"""How many events each partition holds."""


async def run_pair(config: Config, shape: Shape, topic: str) -> Run:
    """Let two workers have a turn on an empty Redis, and return what both took."""
    own = with_topic(config, topic, group_id=topic)
    await create_topics(own)
    async with worker_redis(own) as redis:
        await redis.flushdb()
        async with working(own) as first, working(own) as second:
            processes = [psutil.Process(worker.pid) for worker in (first, second)]
            await asyncio.wait_for(_both_have_their_half(own), JOIN_SECONDS)
            async with _producer(own) as producer:
                await producer.begin_transaction()
                ends = await _publish(producer, topic, make(shape, utc_now()))
                await producer.commit_transaction()
                return await asyncio.wait_for(_watch(redis, ends, processes), TURN_SECONDS)


async def _both_have_their_half(config: Config) -> None:
    async with admin_client(config) as admin:
        while True:
            (response,) = await admin.describe_consumer_groups([config.kafka.group_id])
            ((_, _, state, _, _, members, *_),) = response.groups
            if state == STABLE and len(members) == WORKERS:
                return
            await asyncio.sleep(LOOK_SECONDS)


def _producer(config: Config) -> AIOKafkaProducer:
    return AIOKafkaProducer(
        acks="all",
        compression_type="lz4",
        max_batch_size=BATCH_BYTES,
        transactional_id=config.kafka.topic,
        transaction_timeout_ms=TRANSACTION_MILLISECONDS,
        **kafka_options(config),
    )


async def _publish(producer: AIOKafkaProducer, topic: str, values: Iterable[bytes]) -> Ends:
    """Fill batch by batch, for the partitions in turn; return where each ends."""
    ends: Counter[Partition] = Counter()
    partitions = cycle(sorted(await producer.partitions_for(topic)))

    async def send(batch: BatchBuilder) -> None:
        number = next(partitions)
        ends[Partition(topic, number)] += batch.record_count()
        await producer.send_batch(batch, topic, partition=number)

    batch = producer.create_batch()
    for value in values:
        while batch.append(timestamp=None, key=None, value=value) is None:
            await send(batch)
            batch = producer.create_batch()
    await send(batch)
    await producer.flush()
    return ends


async def _watch(redis: Redis, ends: Ends, processes: list[psutil.Process]) -> Run:
    """Time it from the first batch in Redis to the last."""
    servers = ServersWatch()
    while (first := await _counted(redis, ends)) == 0:  # noqa: ASYNC110  Redis sends no event
        await asyncio.sleep(LOOK_SECONDS)
    start, cpu, before = time.monotonic(), _cpu_seconds(processes), servers.look()
    while (counted := await _counted(redis, ends)) < sum(ends.values()):  # noqa: ASYNC110  as above
        await asyncio.sleep(LOOK_SECONDS)
    return Run(
        start=start,
        events=counted - first,
        seconds=time.monotonic() - start,
        cpu_seconds=_cpu_seconds(processes) - cpu,
        peak_rss_bytes=max(peak_rss_bytes(process.pid) for process in processes),
        servers_cpu_seconds=servers.look() - before,
    )


async def _counted(redis: Redis, ends: Ends) -> int:
    """Return how many events are counted: a checkpoint may have passed the end of the transaction too."""
    checkpoints = (await read_progress(redis)).checkpoints
    return sum(min(checkpoints.get(partition, 0), end) for partition, end in ends.items())


def _cpu_seconds(processes: Iterable[psutil.Process]) -> float:
    return sum(map(cpu_seconds, processes))
