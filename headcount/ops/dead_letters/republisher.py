"""The republisher: records as they were, each acknowledged by every replica of the partition it was in."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from headcount.clients import kafka_options
from headcount.wiring import Config
from ingest.batch import Partition
from ingest.errors import UnavailableError
from ingest.kafka.dead_letters import Message
from ingest.kafka.header_names import AnyNamesBatch, are_text
from ingest.kafka.shutdown import close_within

REQUEST_BYTES: Final = 100_000_000
"""The broker says what is too large, not the client: it took the record once."""
REQUEST_MILLISECONDS: Final = 20_000


class Republisher:
    """Wraps a producer that was started."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer

    async def publish(self, messages: Sequence[tuple[Partition, Message]]) -> list[bool]:
        """Tell which messages are in once all are settled: the others are too large for the broker.

        Raises `UnavailableError`; any of them may be in then.
        """
        futures = [await self._send(partition, message) for partition, message in messages]
        outcomes = await asyncio.gather(*futures, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException) and not isinstance(outcome, MessageSizeTooLargeError):
                raise _not_taken(outcome) from outcome
        return [not isinstance(outcome, BaseException) for outcome in outcomes]

    async def _send(self, partition: Partition, message: Message) -> asyncio.Future[Any]:
        # As a batch: aiokafka's `send` asserts a key or a value, and names of headers that are UTF-8.
        needs_batch = (message.key is None and message.value is None) or not are_text(message.headers)
        try:
            known = await self._producer.partitions_for(partition.topic)
            future: asyncio.Future[Any] = await (self._send_batch if needs_batch else self._send_record)(
                # Its own, so that an order that the key stands for is kept.
                partition.topic,
                message,
                partition.number if partition.number in known else None,
            )
        except KafkaError as error:
            raise _not_taken(error) from error
        return future

    async def _send_record(self, topic: str, message: Message, number: int | None) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = await self._producer.send(
            topic, key=message.key, value=message.value, headers=message.headers, partition=number
        )
        return future

    async def _send_batch(self, topic: str, message: Message, number: int | None) -> asyncio.Future[Any]:
        batch = AnyNamesBatch(key=message.key, value=message.value, headers=message.headers)
        future: asyncio.Future[Any] = await self._producer.send_batch(batch, topic, partition=number or 0)
        return future


@asynccontextmanager
async def open_republisher(config: Config) -> AsyncIterator[Republisher]:
    """Connect to Kafka; raises `UnavailableError` where it can't be reached."""
    producer = AIOKafkaProducer(
        # Not idempotent: aiokafka's idempotent producer never gives a batch up, so that a redrive would not
        # end where Kafka went away. What a retry publishes twice is counted once.
        acks="all",
        max_request_size=REQUEST_BYTES,
        request_timeout_ms=REQUEST_MILLISECONDS,
        **kafka_options(config),
    )
    try:
        await _start(producer)
        yield Republisher(producer)
    finally:
        await close_within("republisher", producer.stop())


async def _start(producer: AIOKafkaProducer) -> None:
    try:
        await producer.start()
    except KafkaError as error:
        raise _not_taken(error) from error


def _not_taken(error: BaseException) -> UnavailableError:
    return UnavailableError(f"Kafka did not take the records: {error!r}")
