"""The broker of the fake Kafka: a topic, its dead-letter topic, its group, and what can be asked of them."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple
from uuid import UUID

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError, UnknownTopicOrPartitionError

from ingest.ports import Headers
from tests.simulation.group import Group
from tests.simulation.log import Chunk, Entry, PartitionLog, Topic
from tests.simulation.loop import SimulatedLoop
from tests.simulation.network import Network

TOPIC: Final = "user-activity"
GROUP: Final = "headcount"


class Letter(NamedTuple):
    """A message of the dead-letter topic."""

    key: bytes | None
    value: bytes | None
    headers: Headers

    def header(self, name: str) -> bytes:
        return dict(self.headers)[name] or b""


class Broker:
    """State and operations; `network` is the way to it, which is where everything goes wrong."""

    def __init__(self, loop: SimulatedLoop, chance: random.Random, network: Network, partitions: int) -> None:
        self.network = network
        self.group = Group(loop)
        self.letters: list[Letter] = []
        self._loop = loop
        self._chance = chance
        self.readers: list[asyncio.Event] = []
        """Notified of each change of the log."""
        self.topic: Topic
        self.create(partitions)

    @property
    def is_topic_gone(self) -> bool:
        """Tell whether the topic was deleted, and no other made yet."""
        return not self.topic.partitions

    def create(self, partitions: int) -> None:
        """Make a topic; what the one before it held is gone."""
        made = UUID(int=self._chance.getrandbits(128))
        self.topic = Topic(TOPIC, made, [PartitionLog() for _ in range(partitions)])

    def delete(self) -> None:
        self.topic = Topic(TOPIC, self.topic.id, [])

    def add_partition(self) -> int:
        """Return how many there are then."""
        self.topic.partitions.append(PartitionLog())
        return len(self.topic.partitions)

    def append(self, number: int, entries: Sequence[Entry]) -> None:
        self.topic.partitions[number].append(entries)
        self._notify_readers()

    def end_transaction(self, number: int, *, committed: bool) -> None:
        self.topic.partitions[number].end_transaction(self._loop.time(), committed=committed)
        self._notify_readers()

    def repair(self) -> None:
        """End what ails the log itself: open transactions and damaged records."""
        for number, log in enumerate(self.topic.partitions):
            self.end_transaction(number, committed=True)
            for entry in log.entries:
                entry.is_damaged = False

    # What clients ask.

    def numbers(self) -> Sequence[int]:
        return range(len(self.topic.partitions))

    def fetch(self, positions: Mapping[int, int], most: int) -> Mapping[int, Chunk | KafkaError]:
        """Say nothing of partitions that are not there: the client retries without an error."""
        there = len(self.topic.partitions)
        return {
            number: self._fetch(number, start, most) for number, start in positions.items() if number < there
        }

    def _fetch(self, number: int, position: int, most: int) -> Chunk | KafkaError:
        log = self.topic.partitions[number]
        if not log.beginning <= position <= log.end:
            return OffsetOutOfRangeError({TopicPartition(TOPIC, number): position})
        return Chunk(position, log.entries[position : min(position + most, log.stable_end)])

    def beginnings(self, numbers: Sequence[int]) -> Mapping[int, int]:
        return {number: self._partition(number).beginning for number in numbers}

    def ends(self, numbers: Sequence[int], *, stable: bool) -> Mapping[int, int]:
        partitions = {number: self._partition(number) for number in numbers}
        return {number: each.stable_end if stable else each.end for number, each in partitions.items()}

    def _partition(self, number: int) -> PartitionLog:
        if number >= len(self.topic.partitions):
            raise UnknownTopicOrPartitionError
        return self.topic.partitions[number]

    def _notify_readers(self) -> None:
        for reader in self.readers:
            reader.set()
