"""Publishes events to Kafka in large batches, each acknowledged by all in-sync replicas."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import cycle
from typing import Final

from aiokafka.errors import KafkaError

from headcount.clients import kafka_options
from headcount.wiring import Config
from ingest.errors import UnavailableError
from ingest.kafka.producer import KafkaProducer, open_producer

BATCH_BYTES: Final = 256 * 1024
REQUEST_MILLISECONDS: Final = 20_000


class Publisher:
    """Fills one batch at a time and sends full batches to the partitions round-robin.

    aiokafka queues at most one batch for each partition in addition to the one in flight, so that memory
    stays constant: `publish` waits. `acknowledged` counts the events that Kafka has acknowledged.
    """

    def __init__(self, producer: KafkaProducer, topic: str, partitions: Iterable[int]) -> None:
        self.acknowledged = 0
        self._producer = producer
        self._topic = topic
        self._partitions = cycle(sorted(partitions))
        self._batch = producer.create_batch()
        self._deliveries: set[asyncio.Future[object]] = set()
        self._failure: BaseException | None = None

    async def publish(self, value: bytes) -> None:
        """Add an event; raises `UnavailableError` if Kafka did not accept an earlier one."""
        # No key: a distinct count does not depend on the order of events. No timestamp: Kafka's retention
        # then starts when the event is published, however old it is.
        while self._batch.append(timestamp=None, key=None, value=value) is None:
            await self._send()

    async def flush(self) -> None:
        """Send the last batch and return when every event is acknowledged; raises as `publish` does."""
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
            delivery = await self._producer.send_batch(batch, self._topic, next(self._partitions))
        except KafkaError as error:
            raise _not_accepted(error) from error
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
            raise _not_accepted(self._failure) from self._failure


@asynccontextmanager
async def open_publisher(config: Config) -> AsyncIterator[Publisher]:
    """Connect to Kafka; raises `UnavailableError` if it can't be reached or has no such topic."""
    topic = config.kafka.topic
    async with AsyncExitStack() as stack:
        try:
            async with asyncio.timeout(REQUEST_MILLISECONDS / 1000):
                producer = await stack.enter_async_context(
                    open_producer(
                        kafka_options(config),
                        name="publisher",
                        request_milliseconds=REQUEST_MILLISECONDS,
                        compression_type="lz4",
                        max_batch_size=BATCH_BYTES,
                    )
                )
                partitions = await producer.partitions_of(topic)
        except (KafkaError, TimeoutError) as error:
            raise UnavailableError(
                f"Kafka at {config.kafka.bootstrap_servers} can't be reached: {error or 'request timed out'}"
            ) from error
        yield Publisher(producer, topic, partitions)


def _not_accepted(error: BaseException) -> UnavailableError:
    return UnavailableError(f"Kafka did not accept the events: {error!r}")
