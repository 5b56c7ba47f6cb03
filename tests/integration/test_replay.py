"""A replay into a real Kafka: every event arrives once, and one that can't is told."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from embedded import EmbeddedKafka
from headcount.ops.replay import publisher as publisher_module
from headcount.ops.replay.publisher import BATCH_BYTES, open_publisher
from headcount.ops.replay.recording import encode, read
from headcount.ops.replay.replay import FullSpeed, Outcome, Replay
from headcount.ops.replay.week import SAMPLE
from headcount.preflight.connections import create_topics
from headcount.settings import Settings
from headcount.wiring import Config, configure
from ingest.errors import UnavailableError
from ingest.kafka.topics import PARTITIONS
from tests.support.servers import Servers
from tests.support.waiting import within


@pytest.fixture
async def config(kafka_bootstrap_servers: str, topic: str) -> Config:
    """A topic of the test's own."""
    config = configure(Settings(kafka_bootstrap_servers=kafka_bootstrap_servers, kafka_topic=topic))
    await create_topics(config)
    return config


@pytest.fixture
async def consumer(config: Config) -> AsyncIterator[AIOKafkaConsumer]:
    """Read the topic from its beginning."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=config.kafka.bootstrap_servers, auto_offset_reset="earliest"
    )
    await consumer.start()
    consumer.assign([TopicPartition(config.kafka.topic, number) for number in range(PARTITIONS)])
    yield consumer
    await consumer.stop()


async def values_by_partition(consumer: AIOKafkaConsumer) -> dict[int, list[bytes]]:
    """Read everything up to the log's ends."""
    ends = await consumer.end_offsets(consumer.assignment())
    found: dict[int, list[bytes]] = {partition.partition: [] for partition in ends}
    async with within(30):
        while any(len(found[partition.partition]) < end for partition, end in ends.items()):
            for partition, records in (await consumer.getmany(timeout_ms=100)).items():
                found[partition.partition] += [record.value for record in records]
    return found


async def test_a_recording_arrives_whole_and_once(config: Config, consumer: AIOKafkaConsumer) -> None:
    async with open_publisher(config) as publisher:
        pace = FullSpeed(lambda: datetime.now(UTC))
        outcome = await Replay(publisher, pace, asyncio.Event()).run(read(SAMPLE), "message")
    assert outcome == Outcome(17_135, "complete")
    found = await values_by_partition(consumer)
    assert Counter(value for values in found.values() for value in values) == Counter(
        encode(activity, "message") for activity in read(SAMPLE)
    )
    assert all(found.values())  # every partition has its share


async def test_events_are_counted_when_they_are_acknowledged(config: Config) -> None:
    async with open_publisher(config) as publisher:
        await publisher.publish(b"{}")
        assert publisher.acknowledged == 0
        await publisher.flush()
        assert publisher.acknowledged == 1
        await publisher.flush()
        assert publisher.acknowledged == 1


async def test_an_event_larger_than_a_batch_is_published_all_the_same(
    config: Config, consumer: AIOKafkaConsumer
) -> None:
    events = [b"small", b"x" * (BATCH_BYTES + 1), b"small as well"]
    async with open_publisher(config) as publisher:
        for event in events:
            await publisher.publish(event)
        await publisher.flush()
    found = await values_by_partition(consumer)
    assert sorted(value for values in found.values() for value in values) == sorted(events)


async def test_a_kafka_that_goes_away_is_told_and_the_publisher_still_closes(
    embedded_kafka: Servers[EmbeddedKafka], topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher_module, "REQUEST_MILLISECONDS", 3_000)
    kafka = await embedded_kafka.start()
    config = configure(Settings(kafka_bootstrap_servers=kafka.bootstrap_servers, kafka_topic=topic))
    await create_topics(config)
    async with within(30), open_publisher(config) as publisher:
        await publisher.publish(b"{}")
        await publisher.flush()
        kafka.kill()
        await publisher.publish(b"{}")
        with pytest.raises(UnavailableError, match="Kafka did not accept the events"):
            await publisher.flush()
        assert publisher.acknowledged == 1
