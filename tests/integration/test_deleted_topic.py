"""A topic that is deleted under a running worker, on a broker that creates topics when asked for them."""

from typing import Final

import pytest
from aiokafka.admin import NewTopic
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import UnknownTopicOrPartitionError
from redis.asyncio import Redis
from structlog.testing import capture_logs

from embedded import EmbeddedKafka
from headcount.clients import kafka_options
from headcount.preflight.connections import admin_client
from headcount.wiring import Config
from ingest.errors import UnavailableError
from ingest.kafka.topic_metadata import read_topic_id
from projector.checkpoints import read_progress
from tests.support.deployment import Deployment, event
from tests.support.servers import Servers
from tests.support.waiting import wait_until

SECONDS: Final = 120
"""A factor over what it takes here, since the rebalances of a group alone take seconds."""


@pytest.fixture
async def deployment(
    embedded_kafka: Servers[EmbeddedKafka], topic: str, redis_url: str, redis_client: Redis
) -> Deployment:
    kafka = await embedded_kafka.start(settings={"auto.create.topics.enable": "true"})
    return Deployment(
        {
            "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
            "KAFKA_TOPIC": topic,
            "REDIS_URL": redis_url,
        }
    )


async def topics(config: Config) -> set[str]:
    async with admin_client(config) as admin:
        return set(await admin.list_topics())


async def test_it_is_named_and_not_recreated_and_counting_resumes_once_an_operator_creates_it(
    deployment: Deployment, redis_client: Redis
) -> None:
    config = deployment.config
    with capture_logs() as logs:
        async with deployment.worker():
            await wait_until(deployment.is_caught_up, deadline_seconds=SECONDS)
            await deployment.publish(event("alice"))
            await wait_until(deployment.is_caught_up, deadline_seconds=SECONDS)
            async with admin_client(config) as admin:
                await admin.delete_topics([config.kafka.topic])
            # The consumer alone asks again each ten seconds, and the group deals out what it then knows.
            await wait_until(
                lambda: any(line["event"] == "assigned" and not line["partitions"] for line in logs[1:]),
                deadline_seconds=SECONDS,
                message="the group knew that the topic is gone",
            )
            assert config.kafka.topic not in await topics(config)
            async with admin_client(config) as admin:
                await admin.create_topics([NewTopic(config.kafka.topic, 2, 1)])
            await wait_until(
                lambda: _recreated(redis_client), deadline_seconds=SECONDS, message="the gap was recorded"
            )
            await deployment.publish(event("bob"), partition=1)
            await wait_until(deployment.is_caught_up, deadline_seconds=SECONDS)
    assert len(await deployment.read(config.kafka.topic, partition=1)) == 1


async def _recreated(redis: Redis) -> bool:
    return any(gap.cause == "recreated" for gap in (await read_progress(redis)).gaps)


async def test_its_absence_is_said_with_what_to_do(deployment: Deployment, topic: str) -> None:
    client = AIOKafkaClient(**kafka_options(deployment.config))
    await client.bootstrap()
    try:
        with pytest.raises(UnavailableError, match="Kafka has no topic"):
            await read_topic_id(client, topic)
    finally:
        await client.close()


async def test_no_client_creates_a_topic_that_it_asks_for(deployment: Deployment, topic: str) -> None:
    config = deployment.config
    client = AIOKafkaClient(request_timeout_ms=1_000, **kafka_options(config))
    await client.bootstrap()
    try:
        with pytest.raises(UnknownTopicOrPartitionError):
            await client._wait_on_metadata(topic)
    finally:
        await client.close()
    async with admin_client(config) as admin:
        await admin.describe_topics([topic])
    assert topic not in await topics(config)
