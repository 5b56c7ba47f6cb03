"""Batches as any producer may compress them."""

from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaProducer
from redis.asyncio import Redis

from headcount.ops.status import read_status
from headcount.wiring import utc_now
from ingest.batch import Partition
from ingest.kafka.decompression import BATCH_BYTES, POLL_BYTES
from projector.checkpoints import read_progress
from projector.views.daily import RedisView
from tests.support.deployment import Deployment, deployed, event
from tests.support.waiting import wait_until

CODECS = [None, "gzip", "snappy", "lz4", "zstd"]
PEOPLE_A_BATCH = 50


@pytest.fixture
async def deployment(
    kafka_bootstrap_servers: str, topic: str, redis_url: str, redis_client: Redis
) -> AsyncIterator[Deployment]:
    async with deployed(kafka_bootstrap_servers, topic, redis_url) as deployment:
        yield deployment


async def test_a_log_of_every_compression_is_counted(deployment: Deployment, redis_client: Redis) -> None:
    for codec in CODECS:
        await publish_compressed(deployment, codec)
    await deployment.count()
    counts = [await RedisView(redis_client).daily_counts(str(codec), [utc_now().date()]) for codec in CODECS]
    assert [count.users for count in counts] == [[PEOPLE_A_BATCH]] * len(CODECS)


@pytest.mark.parametrize(
    "codec", ["gzip", "lz4", "zstd"]
)  # by snappy, a bomb is no smaller than a batch may be
async def test_a_batch_past_the_bound_stops_its_partition_and_is_skipped(
    deployment: Deployment, redis_client: Redis, codec: str
) -> None:
    await publish_zeros(deployment, codec, sizes=[1, 2 * BATCH_BYTES, 1])
    bomb = Partition(deployment.config.kafka.topic, 0)
    await deployment.publish(event("anna"), partition=1)
    async with deployment.worker():
        await wait_until(lambda: is_at(redis_client, bomb, 1), message="what is before the batch was read")
        other = Partition(bomb.topic, 1)
        await wait_until(lambda: is_at(redis_client, other, 1), message="the other partition was read")
    assert (await read_status(deployment.config)).lag == 2

    skipped = await deployment.headcount("skip", "--partition", "0", "--yes")
    assert skipped.text.startswith(f"{bomb} continues at 2.")
    await deployment.count()
    assert await is_at(redis_client, bomb, 3)


async def test_batches_that_are_too_large_only_together_are_all_read(
    deployment: Deployment, redis_client: Redis
) -> None:
    sizes = [BATCH_BYTES // 2] * (2 * POLL_BYTES // BATCH_BYTES + 4)
    await publish_zeros(deployment, "zstd", sizes=sizes)
    await deployment.count()
    assert await is_at(redis_client, Partition(deployment.config.kafka.topic, 0), len(sizes))
    assert len(await deployment.read(deployment.config.kafka.topic)) == len(sizes)


async def publish_compressed(deployment: Deployment, codec: str | None) -> None:
    """Publish one batch; a workspace is named for each compression."""
    config = deployment.config
    async with AIOKafkaProducer(
        bootstrap_servers=config.kafka.bootstrap_servers, compression_type=codec
    ) as producer:
        batch = producer.create_batch()
        for number in range(PEOPLE_A_BATCH):
            value = event(str(number), workspace_id=str(codec))
            assert batch.append(timestamp=None, key=None, value=value)
        batch.close()
        await (await producer.send_batch(batch, config.kafka.topic, partition=0))


async def publish_zeros(deployment: Deployment, codec: str, *, sizes: list[int]) -> None:
    """Publish records of so many zeros to partition 0, one a batch."""
    config = deployment.config
    async with AIOKafkaProducer(
        bootstrap_servers=config.kafka.bootstrap_servers,
        compression_type=codec,
        max_request_size=2 * max(sizes),
    ) as producer:
        for size in sizes:
            await producer.send_and_wait(config.kafka.topic, bytes(size), partition=0)


async def is_at(redis: Redis, partition: Partition, checkpoint: int) -> bool:
    return (await read_progress(redis)).checkpoints.get(partition) == checkpoint
