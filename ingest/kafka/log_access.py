"""Opens a topic for a `LogReader`, outside of any consumer group."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from ingest.errors import UnavailableError
from ingest.kafka.log_reader import LogReader
from ingest.kafka.partition_offsets import read_log_state
from ingest.kafka.polling import POLL_MILLISECONDS
from ingest.kafka.shutdown import close_within
from ingest.kafka.topic_metadata import read_topic_id
from ingest.kafka.topics import ADMIN_MILLISECONDS
from ingest.ports import LogState


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


async def read_state(
    topic: str, options: Mapping[str, Any], admin: AbstractAsyncContextManager[AIOKafkaAdminClient]
) -> LogState:
    """Return the extents of a topic's partitions, and the partitions that can't be read.

    A partition ends before its first open transaction. `admin` explains why Kafka can't be reached. Raises
    `UnavailableError`, also if no partition can be read.
    """
    async with admin:
        client = AIOKafkaClient(request_timeout_ms=ADMIN_MILLISECONDS, **options)
        try:
            await client.bootstrap()
            return await read_log_state(client, topic, committed_only=True)
        finally:
            await client.close()


@asynccontextmanager
async def open_log(
    topic: str, options: Mapping[str, Any], admin: AbstractAsyncContextManager[AIOKafkaAdminClient]
) -> AsyncIterator[LogReader]:
    """Open a topic for reading; a topic that can't be read is never mistaken for an empty one.

    Raises `UnavailableError` if Kafka can't be reached, the topic does not exist or access to it is denied,
    and if a partition can't be read, which the message names.
    """
    state = await read_state(topic, options, admin)
    if state.unavailable:
        raise UnavailableError(f"The topic {topic} can't be read whole: {state.describe_unavailable()}.")
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
        yield LogReader(consumer, state.extents)
    except KafkaError as error:
        raise _unavailable(options, error) from error
    finally:
        await close_within("log reader", consumer.stop())


def _unavailable(options: Mapping[str, Any], error: KafkaError) -> UnavailableError:
    return UnavailableError(f"Kafka at {options['bootstrap_servers']} does not answer: {error}")
