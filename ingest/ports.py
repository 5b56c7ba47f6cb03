"""What the worker loop asks of the world: a log to read, a projection to write, a place for dead letters."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ingest.batch import Batch, Offset, Partition
from ingest.event import DeadLetterReason


class Record(Protocol):
    """One record of the log, in the shape in which aiokafka gives it."""

    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


@dataclass(frozen=True, slots=True)
class Extent:
    """What a partition of the log holds: offsets from `beginning` up to, but without, `end`."""

    beginning: Offset
    end: Offset


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A record that is not an event, where it was, and why."""

    partition: Partition
    record: Record
    reason: DeadLetterReason
    error: str


class Source(Protocol):
    """The log, as one member of a consumer group sees it.

    The awaitable methods raise `UnavailableError` while the log is away; after it, every position is to be
    sought again. The others ignore partitions that are no longer owned.
    """

    async def start(self) -> None: ...
    async def stop(self) -> None:
        """Leave the group, so that others take over at once."""
        ...

    def take_assignment(self) -> frozenset[Partition] | None:
        """Return the partitions owned, if that changed since the last call: none of them has a position."""
        ...

    async def poll(self) -> Mapping[Partition, Sequence[Record]]:
        """Wait a moment for records, and return a bounded number of them.

        Returns nothing while a change of assignment has not been taken: Kafka would have set a position.
        """
        ...

    async def position(self, partition: Partition) -> Offset:
        """Return the next offset that a poll would return, past control records and compaction's gaps."""
        ...

    def seek(self, partition: Partition, offset: Offset) -> None: ...
    def pause(self, partitions: Iterable[Partition]) -> None: ...
    def resume(self, partitions: Iterable[Partition]) -> None: ...
    async def extents(self) -> Mapping[Partition, Extent]:
        """Return the extent of every partition of the topic, owned or not."""
        ...

    async def commit(self, offsets: Mapping[Partition, Offset]) -> None:
        """Tell Kafka's lag tools how far the projection is. Nothing ever reads it back."""
        ...


class Projection(Protocol):
    """The counters and their checkpoint.

    Raises `UnavailableError` where the same call may succeed later, `PartitionStoppedError` where it can't.
    """

    async def checkpoints(self) -> Mapping[Partition, Offset]:
        """Return the next offset to read of every partition that has a checkpoint."""
        ...

    async def begin(self, beginnings: Mapping[Partition, Offset]) -> None:
        """Give a checkpoint to each partition that has none; the partition is then catching up."""
        ...

    async def rewind(self, partition: Partition, expected: Offset, to: Offset) -> None:
        """Put a checkpoint from `expected` back to `to`; the partition is then catching up."""
        ...

    async def apply(self, batch: Batch) -> Offset | None:
        """Count a batch and step its checkpoint, or do nothing where the checkpoint is not `batch.start`.

        Returns the checkpoint as it is then, None where there is none: `batch.end` means done.
        """
        ...


class DeadLetters(Protocol):
    """Where records go that are not events."""

    async def publish(self, letters: Sequence[DeadLetter]) -> None:
        """Return when every letter is acknowledged; raises `UnavailableError`."""
        ...
