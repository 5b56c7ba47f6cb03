"""The values that cross from the log to the projection."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, NewType

from ingest.events.event import Event

Offset = NewType("Offset", int)


class Partition(NamedTuple):
    """A partition of a topic. Its text form names the partition in Redis and in logs."""

    topic: str
    number: int

    def __str__(self) -> str:
        return f"{self.topic}:{self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Events of one partition, and the step of its checkpoint that they make.

    `start` is the end of the batch before, never the first event's own offset: compaction and control records
    leave gaps. `end` is the next offset to read. `as_of` is the instant up to which every event of the
    partition is counted once this batch is, or None where that is not known. `stamp` is the timestamp of the
    batch's first record as Kafka has it, in ms of the epoch, which stands for all of them; a producer may
    have set it to anything.
    """

    partition: Partition
    start: Offset
    end: Offset
    events: Sequence[Event] = ()
    as_of: datetime | None = None
    stamp: int | None = None
