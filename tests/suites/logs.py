"""A log that can be written to from outside, be it the fake or a topic in Kafka."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any, Protocol

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import NewTopic, RecordsToDelete

from headcount.clients import kafka_options
from headcount.preflight.connections import admin_client
from headcount.settings import Settings
from headcount.wiring import configure
from ingest.batch import Partition
from ingest.kafka.source import KafkaSource
from ingest.ports import Source
from tests.support.fakes_log import FakeLog, FakeRecord, FakeSource


class WritableLog(Protocol):
    """A topic of two partitions, and its group."""

    @property
    def partitions(self) -> Sequence[Partition]: ...
    async def append(self, partition: Partition, *records: FakeRecord) -> None: ...
    async def append_nothing(self, partition: Partition) -> None:
        """Take up offsets that no record stands at."""
        ...

    async def purge(self, partition: Partition, before: int) -> None: ...
    async def join(self) -> Source:
        """Return a new member of the group."""
        ...


class WritableFake:
    """The fake."""

    def __init__(self) -> None:
        self._log = FakeLog(partitions=2)
        self.partitions = self._log.partitions

    async def append(self, partition: Partition, *records: FakeRecord) -> None:
        self._log.append(partition, *records)

    async def append_nothing(self, partition: Partition) -> None:
        self._log.append(partition, None, None)

    async def purge(self, partition: Partition, before: int) -> None:
        self._log.purge(partition, before)

    async def join(self) -> Source:
        member = FakeSource(self._log)
        await member.start()
        return member


class WritableTopic:
    """A topic of a test's own in Kafka; what is opened on it is closed with `parts`."""

    def __init__(self, bootstrap_servers: str, topic: str, parts: AsyncExitStack) -> None:
        self.partitions = [Partition(topic, number) for number in range(2)]
        self._topic = topic
        self._config = configure(Settings(kafka_bootstrap_servers=bootstrap_servers, kafka_topic=topic))
        self._options = kafka_options(self._config)
        self._parts = parts

    async def create(self) -> None:
        async with admin_client(self._config) as admin:
            await admin.create_topics([NewTopic(self._topic, len(self.partitions), 1)])

    async def append(self, partition: Partition, *records: FakeRecord) -> None:
        async with AIOKafkaProducer(acks="all", **self._options) as producer:
            for record in records:
                await producer.send_and_wait(self._topic, **_fields(record, partition))

    async def append_nothing(self, partition: Partition) -> None:
        """Abort a transaction: its record is never read, nor is the mark behind it."""
        producer = AIOKafkaProducer(transactional_id=self._topic, **self._options)
        async with producer:
            await producer.begin_transaction()
            await producer.send_and_wait(self._topic, b"aborted", partition=partition.number)
            await producer.abort_transaction()

    async def purge(self, partition: Partition, before: int) -> None:
        async with admin_client(self._config) as admin:
            await admin.delete_records({TopicPartition(*partition): RecordsToDelete(before_offset=before)})

    async def join(self) -> Source:
        member = KafkaSource(self._topic, self._topic, self._options)
        await member.start()
        self._parts.push_async_callback(member.stop)
        return member


def _fields(record: FakeRecord, partition: Partition) -> dict[str, Any]:
    return {
        "value": record.value,
        "key": record.key,
        "partition": partition.number,
        "headers": list(record.headers),
        "timestamp_ms": record.timestamp,
    }
