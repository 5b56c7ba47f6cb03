"""The Kafka source where Kafka, or the topic, is not there; and what Kafka's own tools see of the group."""

from collections.abc import AsyncIterator

import pytest
from aiokafka import TopicPartition

from headcount.clients import kafka_options
from headcount.log.topics import admin_client, create_topics
from headcount.settings import Settings
from ingest.batch import Offset, Partition
from ingest.errors import UnavailableError
from ingest.kafka.source import KafkaSource
from tests.waiting import wait_until


@pytest.fixture
def settings(kafka_bootstrap_servers: str, topic: str) -> Settings:
    return Settings(kafka_bootstrap_servers=kafka_bootstrap_servers, kafka_topic=topic, kafka_group_id=topic)


@pytest.fixture
async def source(settings: Settings) -> AsyncIterator[KafkaSource]:
    await create_topics(settings)
    source = KafkaSource(settings.kafka_topic, settings.kafka_group_id, kafka_options(settings))
    await source.start()
    yield source
    await source.stop()


async def test_what_is_committed_is_seen_by_kafkas_own_tools(settings: Settings, source: KafkaSource) -> None:
    async def is_assigned() -> bool:
        await source.poll()
        return bool(source.take_assignment())

    await wait_until(is_assigned, deadline_seconds=30)
    await source.commit({Partition(settings.kafka_topic, 2): Offset(5)})
    async with admin_client(settings) as admin:
        offsets = await admin.list_consumer_group_offsets(settings.kafka_group_id)
    assert {native: each.offset for native, each in offsets.items()} == {
        TopicPartition(settings.kafka_topic, 2): 5
    }


async def test_a_kafka_that_is_away_is_waited_for_at_the_start(unused_tcp_port: int) -> None:
    source = KafkaSource("t", "g", {"bootstrap_servers": f"127.0.0.1:{unused_tcp_port}"})
    with pytest.raises(UnavailableError, match="can't be reached"):
        await source.start()


async def test_a_topic_that_was_deleted_is_waited_for(settings: Settings, source: KafkaSource) -> None:
    async with admin_client(settings) as admin:
        await admin.delete_topics([settings.kafka_topic])

    async def is_named() -> bool:
        try:
            await source.state()
        except UnavailableError as error:
            return settings.kafka_topic in str(error)
        return False

    await wait_until(is_named, deadline_seconds=30)
