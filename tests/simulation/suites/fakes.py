"""The simulator's fakes behind what the suites ask for: a log to write to, letters to read."""

from collections.abc import Sequence
from contextlib import AsyncExitStack

from ingest.batch import Partition
from ingest.kafka.dead_letters import KafkaDeadLetters
from ingest.kafka.source import KafkaSource
from ingest.ports import Record, Source
from tests.simulation.broker import GROUP, TOPIC, Broker
from tests.simulation.log import Entry
from tests.suites.letters import OUR_HEADERS
from tests.support.fakes_log import FakeRecord


class WritableBroker:
    """The fake Kafka as a `tests.suites.logs.WritableLog`; members leave with `parts`."""

    def __init__(self, broker: Broker, parts: AsyncExitStack) -> None:
        self.partitions = [Partition(TOPIC, number) for number in broker.numbers()]
        self._broker = broker
        self._parts = parts

    async def append(self, partition: Partition, *records: FakeRecord) -> None:
        self._broker.append(partition.number, [Entry(record=record) for record in records])

    async def append_nothing(self, partition: Partition) -> None:
        self._broker.append(
            partition.number, [Entry(record=FakeRecord(value=b"aborted"), in_transaction=True)]
        )
        self._broker.end_transaction(partition.number, committed=False)

    async def purge(self, partition: Partition, before: int) -> None:
        self._broker.topic.partitions[partition.number].beginning = before

    async def join(self) -> Source:
        member = KafkaSource(TOPIC, GROUP, {"broker": self._broker})
        await member.start()
        self._parts.push_async_callback(member.stop)
        return member


class ObservedBroker:
    """The fake Kafka's dead letters as a `tests.suites.letters.ObservedLetters`."""

    def __init__(self, broker: Broker, dead_letters: KafkaDeadLetters) -> None:
        self.dead_letters = dead_letters
        self._broker = broker

    async def read(self) -> Sequence[Record]:
        return [
            FakeRecord(
                value=letter.value,
                key=letter.key,
                timestamp=int(letter.header("headcount-timestamp")),
                headers=letter.headers[OUR_HEADERS:],
            )
            for letter in self._broker.letters
        ]
