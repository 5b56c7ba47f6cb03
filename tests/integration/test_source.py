"""The Kafka source where Kafka, or the topic, is not there; and what Kafka's own tools see of the group."""

from collections.abc import AsyncIterator

import pytest
from aiokafka import TopicPartition

from headcount.clients import kafka_options
from headcount.preflight.connections import admin_client, create_topics
from headcount.settings import Settings
from headcount.wiring import Config, configure
from ingest.batch import Offset, Partition
from ingest.errors import UnavailableError
from ingest.kafka.source import KafkaSource
from tests.support.waiting import wait_until


@pytest.fixture
def config(kafka_bootstrap_servers: str, topic: str) -> Config:
    return configure(
        Settings(kafka_bootstrap_servers=kafka_bootstrap_servers, kafka_topic=topic, kafka_group_id=topic)
    )


@pytest.fixture
async def source(config: Config) -> AsyncIterator[KafkaSource]:
    await create_topics(config)
    source = KafkaSource(config.kafka.topic, config.kafka.group_id, kafka_options(config))
    await source.start()
    yield source
    await source.stop()


async def test_what_is_committed_is_seen_by_kafkas_own_tools(config: Config, source: KafkaSource) -> None:
    async def is_assigned() -> bool:
        await source.poll()
        return bool(source.take_assignment())

    await wait_until(is_assigned, deadline_seconds=30)
    await source.commit({Partition(config.kafka.topic, 2): Offset(5)})
    async with admin_client(config) as admin:
        offsets = await admin.list_consumer_group_offsets(config.kafka.group_id)
    assert {native: each.offset for native, each in offsets.items()} == {
        TopicPartition(config.kafka.topic, 2): 5
    }


async def test_a_kafka_that_is_away_is_waited_for_at_the_start(unused_tcp_port: int) -> None:
    source = KafkaSource("t", "g", {"bootstrap_servers": f"127.0.0.1:{unused_tcp_port}"})
    with pytest.raises(UnavailableError, match="can't be reached"):
        await source.start()


async def test_a_topic_that_was_deleted_is_waited_for(config: Config, source: KafkaSource) -> None:
    async with admin_client(config) as admin:
        await admin.delete_topics([config.kafka.topic])

    async def is_named() -> bool:
        try:
            await source.state()
        except UnavailableError as error:
            return config.kafka.topic in str(error)
        return False

    await wait_until(is_named, deadline_seconds=30)
