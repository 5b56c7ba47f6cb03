"""Access to a topic: opens it for reading beside its worker, and tells its id."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from headcount.clients import QUESTION_MILLISECONDS, kafka_options
from headcount.log.topics import admin_client
from headcount.wiring import Config
from ingest.batch import Offset, Partition
from ingest.errors import UnavailableError
from ingest.kafka.log_reader import LogReader
from ingest.kafka.polling import POLL_MILLISECONDS
from ingest.kafka.shutdown import close_within
from ingest.kafka.topic_metadata import read_topic_id
from ingest.ports import Extent


async def current_topic_id(config: Config, topic: str) -> str:
    """Return the topic's id, which tells it from one of the same name before.

    Raises `UnavailableError`, also where there is no such topic or it is forbidden.
    """
    client = AIOKafkaClient(request_timeout_ms=QUESTION_MILLISECONDS, **kafka_options(config))
    try:
        await client.bootstrap()
        return await read_topic_id(client, topic)
    except KafkaError as error:
        raise _unanswered(config, error) from error
    finally:
        await client.close()


@asynccontextmanager
async def open_log(config: Config, topic: str) -> AsyncIterator[LogReader]:
    """Open a topic for reading; what can't be read is never taken for an empty topic.

    Raises `UnavailableError` where Kafka is out of reach, has no such topic or forbids it.
    """
    async with admin_client(config) as admin:
        # Of all topics: to ask for one by name is what creates it, where a broker is set up so.
        described = await admin.describe_topics()
    numbers = [
        partition["partition"]
        for each in described
        if each["topic"] == topic
        for partition in each["partitions"]
    ]
    if not numbers:
        await current_topic_id(config, topic)  # raises why the topic is not listed
        raise UnavailableError(f"The topic {topic} was created a moment ago: try again.")
    consumer = AIOKafkaConsumer(
        group_id=None,
        auto_offset_reset="none",
        enable_auto_commit=False,
        isolation_level="read_committed",
        fetch_max_wait_ms=POLL_MILLISECONDS,
        request_timeout_ms=QUESTION_MILLISECONDS,
        **kafka_options(config),
    )
    try:
        await consumer.start()
        await asyncio.sleep(0)  # a consumer that is stopped before its tasks have begun cancels who stops it
        yield LogReader(consumer, await _extents(consumer, [TopicPartition(topic, each) for each in numbers]))
    except KafkaError as error:
        raise _unanswered(config, error) from error
    finally:
        await close_within("log reader", consumer.stop())


async def _extents(
    consumer: AIOKafkaConsumer, natives: Sequence[TopicPartition]
) -> Mapping[Partition, Extent]:
    beginnings = await consumer.beginning_offsets(natives)
    ends = await consumer.end_offsets(natives)
    return {
        Partition(*native): Extent(Offset(beginnings[native]), Offset(ends[native]))
        for native in sorted(natives)
    }


def _unanswered(config: Config, error: KafkaError) -> UnavailableError:
    return UnavailableError(f"Kafka at {config.kafka.bootstrap_servers} does not answer: {error}")
