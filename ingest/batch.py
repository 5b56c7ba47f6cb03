"""The values that pass from the log to the projection: partitions, offsets and batches."""

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
    """Events of one partition, and the move of its checkpoint from `start` to `end`.

    `start` is the end of the previous batch, never the first event's own offset: compaction and control
    records leave gaps. `end` is the next offset to read. `as_of` is the instant up to which every event of
    the partition is counted once this batch is applied, or None if unknown. `stamp` is the Kafka timestamp of
    the batch's first record, in ms of the epoch, and is used for all of them; a producer may have set it to
    any value.
    """

    partition: Partition
    start: Offset
    end: Offset
    events: Sequence[Event] = ()
    as_of: datetime | None = None
    stamp: int | None = None
