"""Opens a topic for a `LogReader`, outside of any consumer group."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from ingest.batch import Offset, Partition
from ingest.errors import UnavailableError
from ingest.kafka.log_reader import LogReader
from ingest.kafka.polling import POLL_MILLISECONDS
from ingest.kafka.shutdown import close_within
from ingest.kafka.topic_metadata import read_topic_id
from ingest.kafka.topics import ADMIN_MILLISECONDS
from ingest.ports import Extent


async def current_topic_id(topic: str, options: Mapping[str, Any]) -> str:
    """Return the topic's id, which differs from that of an earlier topic with the same name.

    `options` are aiokafka's client options. Raises `UnavailableError`, also if the topic does not exist or
    access to it is denied.
    """
    client = AIOKafkaClient(request_timeout_ms=ADMIN_MILLISECONDS, **options)
    try:
        await client.bootstrap()
        return await read_topic_id(client, topic)
    except KafkaError as error:
        raise _unavailable(options, error) from error
    finally:
        await client.close()


@asynccontextmanager
async def open_log(
    topic: str, options: Mapping[str, Any], admin: AbstractAsyncContextManager[AIOKafkaAdminClient]
) -> AsyncIterator[LogReader]:
    """Open a topic for reading; a topic that can't be read is never mistaken for an empty one.

    `admin` lists the partitions. Raises `UnavailableError` if Kafka can't be reached, the topic does not
    exist or access to it is denied.
    """
    async with admin as client:
        # Lists all topics: a request that names one creates it on brokers that auto-create topics.
        described = await client.describe_topics()
    numbers = [
        partition["partition"]
        for each in described
        if each["topic"] == topic
        for partition in each["partitions"]
    ]
    if not numbers:
        await current_topic_id(topic, options)  # raises the reason why the topic is not listed
        raise UnavailableError(f"The topic {topic} was created a moment ago: try again.")
    consumer = AIOKafkaConsumer(
        group_id=None,
        auto_offset_reset="none",
        enable_auto_commit=False,
        isolation_level="read_committed",
        fetch_max_wait_ms=POLL_MILLISECONDS,
        request_timeout_ms=ADMIN_MILLISECONDS,
        **options,
    )
    try:
        await consumer.start()
        await asyncio.sleep(0)  # stopping a consumer before its tasks have started cancels the caller
        yield LogReader(consumer, await _extents(consumer, [TopicPartition(topic, each) for each in numbers]))
    except KafkaError as error:
        raise _unavailable(options, error) from error
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


def _unavailable(options: Mapping[str, Any], error: KafkaError) -> UnavailableError:
    return UnavailableError(f"Kafka at {options['bootstrap_servers']} does not answer: {error}")
