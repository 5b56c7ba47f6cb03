"""Batches as any producer may compress them."""

from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaProducer
from redis.asyncio import Redis

from headcount.composition import utc_now
from projector.view import RedisView
from tests.deployment import Deployment, deployed, event

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
    plain = [f"{number}" for number in range(PEOPLE_A_BATCH)]
    await redis_client.pfadd("plain", *plain)
    expected = await redis_client.pfcount("plain")
    assert [count.users for count in counts] == [[expected]] * len(CODECS)


async def publish_compressed(deployment: Deployment, codec: str | None) -> None:
    """Publish one batch; a workspace is named for each compression."""
    settings = deployment.settings
    async with AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap_servers, compression_type=codec
    ) as producer:
        batch = producer.create_batch()
        for number in range(PEOPLE_A_BATCH):
            value = event(str(number), workspace_id=str(codec))
            assert batch.append(timestamp=None, key=None, value=value)
        batch.close()
        await (await producer.send_batch(batch, settings.kafka_topic, partition=0))
