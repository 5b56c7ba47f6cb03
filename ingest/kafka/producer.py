"""Publishes records to Kafka: acknowledged by all in-sync replicas, with errors that name what helps."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import (
    BrokerNotAvailableError,
    BrokerResponseError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    ReplicaNotAvailableError,
    UnknownTopicOrPartitionError,
    kafka_errors,
)
from aiokafka.producer.message_accumulator import BatchBuilder

from ingest.kafka.header_names import AnyNamesBatch, are_text
from ingest.kafka.shutdown import close_within, closed_on_failure
from ingest.ports import Headers

REQUEST_MILLISECONDS: Final = 10_000
TOO_LARGE: Final = (MessageSizeTooLargeError, RecordListTooLargeError)
_TRANSIENT: Final = (BrokerNotAvailableError, ReplicaNotAvailableError)
"""Errors of a broker that pass by themselves, although aiokafka does not call them retriable."""


class InvalidRecordError(BrokerResponseError):  # type: ignore[misc]  # aiokafka ships no types
    """A record breaks a rule of its topic, such as a missing key in a compacted topic (KIP-467).

    aiokafka lacks this error code.
    """

    errno = 87
    message = "INVALID_RECORD"


@dataclass(frozen=True, slots=True)
class Message:
    """The content of a record to publish. Its timestamp is the present."""

    key: bytes | None
    value: bytes | None
    headers: Headers = ()


def is_permanent(error: BaseException) -> bool:
    """Return whether the broker refused a record for a reason that only an operator can change."""
    is_lasting = isinstance(error, BrokerResponseError) and not error.retriable
    return isinstance(error, UnknownTopicOrPartitionError) or (
        is_lasting and not isinstance(error, _TRANSIENT)
    )


class KafkaProducer:
    """Wraps aiokafka's producer; `name` is the part that a close that times out is logged for.

    `options` are aiokafka's client options: addresses and security; `tuning` are its producer options.
    """

    def __init__(
        self,
        options: Mapping[str, Any],
        *,
        name: str,
        request_milliseconds: int = REQUEST_MILLISECONDS,
        **tuning: Any,  # noqa: ANN401 - aiokafka's own keywords
    ) -> None:
        self._name = name
        self._options = dict(options) | {"request_timeout_ms": request_milliseconds} | tuning
        self._producer: AIOKafkaProducer
        kafka_errors.setdefault(InvalidRecordError.errno, InvalidRecordError)

    async def start(self) -> None:
        """Connect; raises `UnavailableError`."""
        # Not idempotent: aiokafka's idempotent producer never gives a batch up, so that its caller would
        # neither fail nor end while Kafka is down. What a retry publishes twice is counted once.
        self._producer = AIOKafkaProducer(acks="all", **self._options)
        async with closed_on_failure(self.stop):
            await self._producer.start()

    async def stop(self) -> None:
        """Send what is pending and disconnect, within a time limit."""
        await close_within(self._name, self._producer.stop())

    @property
    def client(self) -> AIOKafkaClient:
        """The client of the producer, for requests about the topic."""
        return self._producer.client

    async def partitions_of(self, topic: str) -> set[int]:
        """Return the numbers of the topic's partitions; raises `KafkaError`."""
        return set(await self._producer.partitions_for(topic))

    async def publish(
        self, records: Sequence[tuple[str, int | None, Message]]
    ) -> Sequence[BaseException | None]:
        """Publish messages to a topic and partition each, None for any partition.

        Returns the outcome of each record once all are settled: None if it is acknowledged, else its error.
        """
        sent: list[asyncio.Future[Any]] = []
        failure: KafkaError | None = None
        for topic, partition, message in records:
            try:
                sent.append(await self._enqueue(topic, partition, message))
            except TOO_LARGE as error:
                sent.append(_failed(error))
            except KafkaError as error:
                failure = error  # of the producer, not of the record: it would fail the next ones as well
                break
        settled = await asyncio.gather(*sent, return_exceptions=True)
        outcomes = [each if isinstance(each, BaseException) else None for each in settled]
        return outcomes + [failure] * (len(records) - len(sent))

    def create_batch(self) -> BatchBuilder:
        """Return an empty batch, to be filled and sent with `send_batch`."""
        return self._producer.create_batch()

    async def send_batch(self, batch: BatchBuilder, topic: str, partition: int) -> asyncio.Future[Any]:
        """Enqueue a batch; the future is done when it is acknowledged. Raises `KafkaError`."""
        future: asyncio.Future[Any] = await self._producer.send_batch(batch, topic, partition=partition)
        return future

    async def _enqueue(self, topic: str, partition: int | None, message: Message) -> asyncio.Future[Any]:
        if (message.key is None and message.value is None) or not are_text(message.headers):
            # aiokafka's `send` asserts a key or a value, and header names that are UTF-8; a batch does not.
            batch = AnyNamesBatch(key=message.key, value=message.value, headers=message.headers)
            return await self.send_batch(batch, topic, partition or 0)
        future: asyncio.Future[Any] = await self._producer.send(
            topic, key=message.key, value=message.value, headers=message.headers, partition=partition
        )
        return future


def _failed(error: KafkaError) -> asyncio.Future[Any]:
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    future.set_exception(error)
    return future


@asynccontextmanager
async def open_producer(
    options: Mapping[str, Any],
    *,
    name: str,
    request_milliseconds: int = REQUEST_MILLISECONDS,
    **tuning: Any,  # noqa: ANN401 - aiokafka's own keywords
) -> AsyncIterator[KafkaProducer]:
    """Open a producer for the duration of the block; raises `UnavailableError`."""
    producer = KafkaProducer(options, name=name, request_milliseconds=request_milliseconds, **tuning)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()
