"""The publisher: events to Kafka in large batches, each acknowledged by every replica in sync."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from itertools import cycle
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from headcount.clients import kafka_options
from headcount.wiring import Config
from ingest.errors import UnavailableError

BATCH_BYTES: Final = 256 * 1024
REQUEST_MILLISECONDS: Final = 20_000


class Publisher:
    """Fills one batch at a time, and hands the full ones to the partitions in turn.

    aiokafka holds at most one batch a partition beside the one in flight, so memory stays flat: `publish`
    waits. `acknowledged` counts the events that Kafka has confirmed.
    """

    def __init__(self, producer: AIOKafkaProducer, topic: str, partitions: Iterable[int]) -> None:
        self.acknowledged = 0
        self._producer = producer
        self._topic = topic
        self._partitions = cycle(sorted(partitions))
        self._batch = producer.create_batch()
        self._deliveries: set[asyncio.Future[object]] = set()
        self._failure: BaseException | None = None

    async def publish(self, value: bytes) -> None:
        """Add an event; raises `UnavailableError` if an earlier one was not taken."""
        # No key: the order of events does not matter to a distinct count. No instant of its own: Kafka's
        # retention counts from the publishing, however old the event is.
        while self._batch.append(timestamp=None, key=None, value=value) is None:
            await self._send()

    async def flush(self) -> None:
        """Send what is left, and return when every event is acknowledged; raises as `publish` does."""
        if self._batch.record_count():
            await self._send()
        while self._deliveries:
            await asyncio.wait(self._deliveries)
        self._raise_failure()

    async def _send(self) -> None:
        self._raise_failure()
        batch, self._batch = self._batch, self._producer.create_batch()
        batch.close()
        try:
            delivery = await self._producer.send_batch(batch, self._topic, partition=next(self._partitions))
        except KafkaError as error:
            raise _not_taken(error) from error
        self._deliveries.add(delivery)
        delivery.add_done_callback(lambda done: self._note(done, batch.record_count()))

    def _note(self, delivery: asyncio.Future[object], events: int) -> None:
        self._deliveries.discard(delivery)
        failure = delivery.exception()
        if failure is None:
            self.acknowledged += events
        self._failure = self._failure or failure

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise _not_taken(self._failure) from self._failure


@asynccontextmanager
async def open_publisher(config: Config) -> AsyncIterator[Publisher]:
    """Connect to Kafka; raises `UnavailableError` where it can't be reached or does not take an event."""
    producer = AIOKafkaProducer(
        # Not idempotent: aiokafka's idempotent producer never gives a batch up, so a replay into a Kafka that
        # went away would neither fail nor end. And an event that a retry publishes twice is counted once.
        acks="all",
        compression_type="lz4",
        max_batch_size=BATCH_BYTES,
        request_timeout_ms=REQUEST_MILLISECONDS,
        **kafka_options(config),
    )
    try:
        partitions = await _start(producer, config)
        yield Publisher(producer, config.kafka.topic, partitions)
    finally:
        await producer.stop()


async def _start(producer: AIOKafkaProducer, config: Config) -> set[int]:
    try:
        async with asyncio.timeout(REQUEST_MILLISECONDS / 1000):
            await producer.start()
            return set(await producer.partitions_for(config.kafka.topic))
    except (KafkaError, TimeoutError) as error:
        raise UnavailableError(
            f"Kafka can't be reached at {config.kafka.bootstrap_servers}: {error or 'no answer'}"
        ) from error


def _not_taken(error: BaseException) -> UnavailableError:
    return UnavailableError(f"Kafka did not take the events: {error!r}")
