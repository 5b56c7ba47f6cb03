"""Dead letters that can be read from outside, be they the fake's or in a topic in Kafka."""

from collections.abc import Sequence
from typing import Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition

from ingest.kafka.dead_letters import DEAD_LETTER_SUFFIX
from ingest.ports import DeadLetters, Record
from tests.support.fakes_log import FakeRecord
from tests.support.fakes_projection import FakeDeadLetters

OUR_HEADERS = 6


class ObservedLetters(Protocol):
    """Where letters go, and the records in them."""

    @property
    def dead_letters(self) -> DeadLetters: ...
    async def read(self) -> Sequence[Record]:
        """Return the record of each letter that was acknowledged, without the headers that Headcount adds."""
        ...


class ObservedFakeLetters:
    """The fake's."""

    def __init__(self) -> None:
        self.dead_letters = FakeDeadLetters()

    async def read(self) -> Sequence[Record]:
        return [letter.record for letter in self.dead_letters.letters]


class ObservedTopic:
    """Those in Kafka."""

    def __init__(self, bootstrap_servers: str, topic: str, dead_letters: DeadLetters) -> None:
        self.dead_letters = dead_letters
        self._bootstrap_servers = bootstrap_servers
        self._topic = topic

    async def read(self) -> Sequence[Record]:
        records = await read_topic(self._bootstrap_servers, self._topic + DEAD_LETTER_SUFFIX)
        return [
            FakeRecord(
                value=record.value,
                key=record.key,
                timestamp=int(dict(record.headers)["headcount-timestamp"] or b""),
                headers=list(record.headers)[OUR_HEADERS:],
            )
            for record in records
        ]


async def read_topic(bootstrap_servers: str, topic: str) -> Sequence[Record]:
    """Return all records of the first partition."""
    async with AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers, auto_offset_reset="earliest"
    ) as consumer:
        native = TopicPartition(topic, 0)
        consumer.assign([native])
        end = (await consumer.end_offsets([native]))[native]
        records: list[Record] = []
        while await consumer.position(native) < end:
            records += (await consumer.getmany(timeout_ms=100)).get(native, [])
        return records
