"""The interfaces that the worker uses: the log, the projection, the dead-letter topic, the erasure log."""

from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol, TypeAlias

from ingest.batch import Batch, Offset, Partition
from ingest.events.event import DeadLetterReason

Headers: TypeAlias = Sequence[tuple[str, bytes | None]]
"""The headers of a record: a name may occur more than once, and a value may be null."""


class Record(Protocol):
    """A record of the log, with the attributes of aiokafka's record classes."""

    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def timestamp_type(self) -> int: ...
    @property
    def headers(self) -> Headers: ...


@dataclass(frozen=True, slots=True)
class Extent:
    """The offsets that a partition of the log holds: from `beginning` up to, but excluding, `end`."""

    beginning: Offset
    end: Offset


@dataclass(frozen=True, slots=True)
class LogState:
    """The topic's id, which changes when the topic is recreated, and the extent of each of its partitions.

    A partition whose offsets can't be read is in `unavailable` instead, with the cause.
    """

    topic_id: str
    extents: Mapping[Partition, Extent]
    unavailable: Mapping[Partition, str] = field(default_factory=dict)

    def describe_unavailable(self) -> str:
        """Name the partitions that cannot be read, with the causes."""
        return "; ".join(f"{partition}: {cause}" for partition, cause in sorted(self.unavailable.items()))


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """The id of the counted topic, None before the first, and the next offset to read of each partition.

    `as_of` is the instant up to which every event is counted; partitions that are catching up have none.
    """

    topic_id: str | None
    offsets: Mapping[Partition, Offset]
    as_of: Mapping[Partition, datetime] = field(default_factory=dict)


GapCause = Literal["retention", "truncated", "recreated", "skipped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A checkpoint whose offset the log does not hold, and the extent of the log when that was detected."""

    partition: Partition
    cause: GapCause
    checkpoint: Offset
    extent: Extent


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A record that is not an event, its partition, and the reason."""

    partition: Partition
    record: Record
    reason: DeadLetterReason
    error: str


ErasureAction = Literal["forgotten", "remembered"]


@dataclass(frozen=True, slots=True)
class Erasure:
    """The newest entry about a user; `fingerprint` is that of the pseudonym key at that time."""

    action: ErasureAction
    offset: Offset
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Erasures:
    """The content of the erasure log: the newest entry of each user, by `workspace_id:pseudonym`.

    `log_id` changes when the log is recreated; `end` is the offset up to which it was read.
    """

    log_id: str
    end: Offset
    entries: Mapping[str, Erasure]


class Source(Protocol):
    """The log, as one member of a consumer group sees it.

    The awaitable methods raise `UnavailableError` while the log is unavailable; every position must be set
    again after that. The other methods ignore partitions that are no longer assigned.
    """

    async def start(self) -> None: ...
    async def stop(self) -> None:
        """Leave the group, so that its partitions are reassigned at once."""
        ...

    def take_assignment(self) -> frozenset[Partition] | None:
        """Return the new assignment, in which no partition has a position, or None if it has not changed."""
        ...

    async def poll(self, only: Partition | None = None) -> Mapping[Partition, Sequence[Record]]:
        """Wait briefly for records of one partition or of all, and return a bounded number of them.

        Returns nothing until a change of the assignment has been taken: Kafka has set the positions then.
        Raises `UnreadableError` if a partition's next records are damaged.
        """
        ...

    async def position(self, partition: Partition) -> Offset:
        """Return the next offset that a poll would return, past control records and gaps of compaction.

        Raises `UnavailableError` also until a change of the assignment has been taken.
        """
        ...

    def seek(self, partition: Partition, offset: Offset) -> None: ...
    def pause(self, partitions: Iterable[Partition]) -> None: ...
    def resume(self, partitions: Iterable[Partition]) -> None: ...
    async def state(self) -> LogState:
        """Return the state of all partitions of the topic, assigned or not.

        Raises `UnavailableError` if no partition's offsets can be read.
        """
        ...

    async def committed(self, partitions: Iterable[Partition]) -> Mapping[Partition, Offset]:
        """Return what was committed last of partitions that are owned, by any member of the group.

        Never a position to read from: Redis may have been rolled back since.
        """
        ...

    async def commit(self, offsets: Mapping[Partition, Offset]) -> None:
        """Commit offsets to Kafka, for lag tools only: no position is ever taken from them."""
        ...


Step = Callable[[], Coroutine[Any, Any, Offset | None]]
"""Applies a staged batch. It may be called more than once, or never."""


class Projection(Protocol):
    """The counters and their checkpoints.

    Methods raise `UnavailableError` if the same call may succeed later, `PartitionStoppedError` if it can't.
    """

    async def now(self) -> datetime:
        """Return the time of day, aware, of the clock that all workers share."""
        ...

    async def checkpoints(self) -> Checkpoints:
        """Return the checkpoints, and discard what was remembered of earlier batches."""
        ...

    async def is_current(self) -> bool:
        """Return whether the erasure log is unchanged since the checkpoints were read."""
        ...

    async def begin(self, log: LogState) -> None:
        """Set the checkpoint of each partition without one to its beginning; it is then catching up."""
        ...

    async def restart(self, log: LogState, gaps: Sequence[Gap]) -> None:
        """Set every checkpoint to the beginning of a recreated topic, and record the gaps.

        Does nothing if this or another worker has done it already.
        """
        ...

    async def rewind(self, partition: Partition, *, expected: Offset, to: Offset, gap: Gap | None) -> None:
        """Move a checkpoint from `expected` to `to`, and record the gap; the partition is then catching up.

        Does nothing if the checkpoint is no longer the expected one.
        """
        ...

    async def record_rollback(self) -> None:
        """Record for operators the instant at which the projection was found to have lost writes."""
        ...

    def stage(self, batch: Batch) -> Step:
        """Encode a batch while the previous one is applied, and remember its users as sent.

        The returned step updates the counters and moves the checkpoint, or does nothing if the checkpoint is
        not `batch.start`. It returns the checkpoint then, None if there is none: `batch.end` means success.
        The step raises `SupersededError` if another generation is live.
        """
        ...

    async def apply(self, batch: Batch) -> Offset | None:
        """Stage a batch and apply it."""
        ...


class DeadLetters(Protocol):
    """The destination of records that are not events."""

    async def publish(self, letters: Sequence[DeadLetter]) -> None:
        """Return when every dead letter is acknowledged; raises `UnavailableError`.

        Raises `PartitionStoppedError` if dead letters are refused until an operator changes something.
        """
        ...


class ErasureLog(Protocol):
    """The record of forgotten users. Every method raises `UnavailableError`."""

    async def read(self) -> Erasures:
        """Return the present content."""
        ...

    async def has_grown(self) -> bool:
        """Return whether the log has changed since the last read."""
        ...

    async def append(self, people: Collection[str], action: ErasureAction) -> None:
        """Return when every replica has the entries; raises `OperatorError` if writing is denied."""
        ...
