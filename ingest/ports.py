"""What the worker loop asks of the world: a log to read, a projection to write, a place for dead letters."""

from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol, TypeAlias

from ingest.batch import Batch, Offset, Partition
from ingest.events.event import DeadLetterReason

Headers: TypeAlias = Sequence[tuple[str, bytes | None]]
"""What goes with a record beside key and value: a name may come again, and a value may be null."""


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
    def timestamp_type(self) -> int: ...
    @property
    def headers(self) -> Headers: ...


@dataclass(frozen=True, slots=True)
class Extent:
    """What a partition of the log holds: offsets from `beginning` up to, but without, `end`."""

    beginning: Offset
    end: Offset


@dataclass(frozen=True, slots=True)
class LogState:
    """The topic's id, which changes when it is recreated, and the extent of every partition of it."""

    topic_id: str
    extents: Mapping[Partition, Extent]


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """Which topic was counted, None for none yet, and the next offset to read of each of its partitions.

    `as_of` has the instant up to which every event is counted, but for partitions that are catching up.
    """

    topic_id: str | None
    offsets: Mapping[Partition, Offset]
    as_of: Mapping[Partition, datetime] = field(default_factory=dict)


GapCause = Literal["retention", "truncated", "recreated", "skipped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A place where the log no longer holds what the checkpoint asks for, as it was found."""

    partition: Partition
    cause: GapCause
    checkpoint: Offset
    extent: Extent


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A record that is not an event, where it was, and why."""

    partition: Partition
    record: Record
    reason: DeadLetterReason
    error: str


ErasureAction = Literal["forgotten", "remembered"]


@dataclass(frozen=True, slots=True)
class Erasure:
    """What was done last about a person, at which offset, and under which key user ids were hashed then."""

    action: ErasureAction
    offset: Offset
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Erasures:
    """What the erasure log holds: the newest entry of each person, named `workspace_id:pseudonym`.

    `log_id` changes when the log is recreated; `end` is the offset up to which it was read.
    """

    log_id: str
    end: Offset
    entries: Mapping[str, Erasure]


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

    async def poll(self, only: Partition | None = None) -> Mapping[Partition, Sequence[Record]]:
        """Wait a moment for records, of one partition or of all, and return a bounded number of them.

        Returns nothing while a change of assignment has not been taken: Kafka would have set a position.
        Raises `UnreadableError` where some partition's next records are damaged.
        """
        ...

    async def position(self, partition: Partition) -> Offset:
        """Return the next offset that a poll would return, past control records and compaction's gaps.

        Raises `UnavailableError` also while a change of assignment has not been taken.
        """
        ...

    def seek(self, partition: Partition, offset: Offset) -> None: ...
    def pause(self, partitions: Iterable[Partition]) -> None: ...
    def resume(self, partitions: Iterable[Partition]) -> None: ...
    async def state(self) -> LogState:
        """Return the state of the whole topic, of partitions owned or not."""
        ...

    async def commit(self, offsets: Mapping[Partition, Offset]) -> None:
        """Tell Kafka's lag tools how far the projection is. Nothing ever reads it back."""
        ...


Step = Callable[[], Coroutine[Any, Any, Offset | None]]


class Projection(Protocol):
    """The counters and their checkpoint.

    Raises `UnavailableError` where the same call may succeed later, `PartitionStoppedError` where it can't.
    """

    async def now(self) -> datetime:
        """Return the time of day by the one clock that all workers share, aware."""
        ...

    async def checkpoints(self) -> Checkpoints:
        """Return how far each partition is counted."""
        ...

    async def is_current(self) -> bool:
        """Tell whether nobody was forgotten or remembered since the checkpoints were read."""
        ...

    async def begin(self, log: LogState) -> None:
        """Give each partition without a checkpoint one at its beginning; it is then catching up."""
        ...

    async def restart(self, log: LogState, gaps: Sequence[Gap]) -> None:
        """Put every checkpoint to the beginning of a recreated topic, and record the gaps.

        Does nothing where that was done already, by whomever.
        """
        ...

    async def rewind(self, partition: Partition, *, expected: Offset, to: Offset, gap: Gap | None) -> None:
        """Put a checkpoint from `expected` to `to`, and record the gap; the partition is then catching up.

        Does nothing where the checkpoint is no longer the expected one.
        """
        ...

    async def record_rollback(self) -> None:
        """Record for operators the instant at which the projection was found to have lost writes."""
        ...

    def prepare(self, batch: Batch) -> Step:
        """Do all that can be done of a batch before the one in front of it is in; the step counts it.

        The step moves the checkpoint too, or does nothing where that is not `batch.start`. It returns the
        checkpoint as it is then, None where there is none: `batch.end` means done. It may be taken again, or
        never. Raises `SupersededError` where another projection of the log is live.
        """
        ...

    async def apply(self, batch: Batch) -> Offset | None:
        """Prepare a batch, and take its step."""
        ...


class DeadLetters(Protocol):
    """Where records go that are not events."""

    async def publish(self, letters: Sequence[DeadLetter]) -> None:
        """Return when every letter is acknowledged; raises `UnavailableError`.

        Raises `PartitionStoppedError` where the letters are refused until an operator changes something.
        """
        ...


class ErasureLog(Protocol):
    """Where it is recorded who was forgotten. Every method raises `UnavailableError`."""

    async def read(self) -> Erasures:
        """Return all there is at this moment."""
        ...

    async def has_grown(self) -> bool:
        """Tell whether there is more than was read last."""
        ...

    async def append(self, people: Collection[str], action: ErasureAction) -> None:
        """Return when every replica has it; raises `OperatorError` where we may not write."""
        ...
