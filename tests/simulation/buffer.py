"""What a fake consumer has fetched and not yet handed out, and where it stands in each partition.

The hazards are aiokafka's (`consumer/fetcher.py` and `consumer/subscription_state.py` there): an assigned
partition starts from what the group committed until it is sought; what was fetched for another position, for
another assignment or for a paused partition is dropped; a damaged batch drops what was drained before it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import CorruptRecordException, KafkaError

from tests.simulation.broker import TOPIC
from tests.simulation.log import Chunk


@dataclass(slots=True)
class Place:
    """Where the consumer stands in a partition that it owns; None until it is sought or reset."""

    position: int | None = None
    is_paused: bool = False


@dataclass(slots=True)
class Assignment:
    """The partitions owned since a rebalance; inactive after the next."""

    places: Mapping[int, Place]
    is_active: bool = True


@dataclass(slots=True)
class Fetched:
    """A chunk that was fetched, and how far it has been handed out."""

    number: int
    assignment: Assignment
    chunk: Chunk
    next: int = field(init=False)
    is_exhausted: bool = False

    def __post_init__(self) -> None:
        self.next = self.chunk.start

    def take(self, most: int) -> list[Any]:
        """Hand out records, stepping the position past them and past what is none."""
        place = self.assignment.places[self.number]
        is_wanted = self.assignment.is_active and not place.is_paused and place.position == self.next
        if self.is_exhausted or not is_wanted:
            self.is_exhausted = True
            return []
        records: list[Any] = []
        for entry in self.chunk.entries[self.next - self.chunk.start :]:
            if entry.is_damaged:
                self.is_exhausted = True
                raise CorruptRecordException(f"Invalid CRC - {self.number} at {self.next}")
            self.next += 1
            if entry.record is not None:
                records.append(entry.record)
                if len(records) >= most:
                    break
        else:
            self.is_exhausted = True
        place.position = self.next
        return records


class Buffer:
    """Chunks and errors that wait to be handed out, by partition."""

    def __init__(self) -> None:
        self._waiting: dict[int, Fetched | KafkaError] = {}

    def __contains__(self, number: int) -> bool:
        return number in self._waiting

    @property
    def is_filled(self) -> bool:
        return bool(self._waiting)

    def put(self, number: int, fetched: Fetched | KafkaError) -> None:
        self._waiting[number] = fetched

    def clear(self) -> None:
        self._waiting.clear()

    def drain(self, only: Iterable[int], most: int) -> dict[TopicPartition, list[Any]]:
        """Hand out what there is; an error is raised only when nothing comes before it."""
        chosen = set(only)
        drained: dict[TopicPartition, list[Any]] = {}
        for number in [each for each in self._waiting if not chosen or each in chosen]:
            waiting = self._waiting[number]
            if isinstance(waiting, KafkaError):
                if drained:
                    break
                del self._waiting[number]
                raise waiting
            records = waiting.take(most)
            if waiting.is_exhausted:
                del self._waiting[number]
            if records:
                drained[TopicPartition(TOPIC, number)] = records
            most -= len(records)
            if not most:
                break
        return drained
