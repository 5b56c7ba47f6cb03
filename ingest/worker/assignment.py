"""Tracks a worker's assigned partitions: positions, watermarks, and the backoff of stopped ones."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from ingest.batch import Offset, Partition
from ingest.worker.positioning import Place
from ingest.worker.state import WorkerState

MAX_WATERMARKS: Final = 1_024
FIRST_BACKOFF_SECONDS: Final = 5.0
MAX_BACKOFF_SECONDS: Final = 60.0


class Watermarks:
    """The log ends of a partition at known instants, from which its as-of instant follows.

    If the log ended at offset `end` at some instant, a checkpoint at or past `end` has counted every event
    published before that instant. Record timestamps are not used: producers set those.
    """

    def __init__(self) -> None:
        self._samples: deque[tuple[Offset, datetime]] = deque()
        self._as_of: datetime | None = None

    def add(self, end: Offset, instant: datetime) -> None:
        """Add a log end that was read after `instant`: the log ended at `end` or before it then."""
        while self._samples and self._samples[-1][0] >= end:
            self._samples.pop()  # includes the ends of a truncated log, which may never be reached again
        self._samples.append((end, instant))
        if len(self._samples) > MAX_WATERMARKS:
            # A long backlog: half the resolution is enough for an as-of that far back.
            self._samples = deque(list(self._samples)[::-2][::-1])

    def as_of(self, checkpoint: Offset) -> datetime | None:
        """Return the latest instant that the checkpoint covers, None before the first."""
        while self._samples and self._samples[0][0] <= checkpoint:
            self._as_of = self._samples.popleft()[1]
        return self._as_of


@dataclass(slots=True)
class PartitionPosition:
    """The position in a partition of the topic with this id: `next` is the end of the last applied batch."""

    next: Offset
    topic_id: str | None
    watermarks: Watermarks = field(default_factory=Watermarks)


class PartitionBackoff:
    """The wait before a stopped partition is tried again, since an operator may have fixed the cause.

    The wait doubles with each consecutive stop of a partition.
    """

    def __init__(self) -> None:
        self._waits: dict[Partition, float] = {}
        self._until: dict[Partition, float] = {}

    def add(self, partition: Partition, now: float) -> None:
        """Start the wait of a partition that stopped; `now` is the event loop's clock."""
        wait = min(2 * self._waits.get(partition, FIRST_BACKOFF_SECONDS / 2), MAX_BACKOFF_SECONDS)
        self._waits[partition] = wait
        self._until[partition] = now + wait

    def pop_expired(self, now: float) -> list[Partition]:
        """Remove and return the partitions whose wait is over."""
        expired = [partition for partition, until in self._until.items() if now >= until]
        for partition in expired:
            del self._until[partition]
        return expired

    def reset(self, partition: Partition) -> None:
        """Have the next stop of the partition count as its first."""
        self._waits.pop(partition, None)

    def clear(self) -> None:
        """Remove all partitions, after a change of the assignment."""
        self._waits.clear()
        self._until.clear()


class Assignment:
    """Each assigned partition has a position, is waiting for one, or is stopped.

    Only the worker's loop changes that. `state` is updated for health checks and metrics.
    """

    def __init__(self, state: WorkerState) -> None:
        self.placed: dict[Partition, PartitionPosition] = {}
        self.seeking: set[Partition] = set()
        self.unavailable: set[Partition] = set()
        """Partitions without a position until Kafka returns their offsets again."""
        self.backoff = PartitionBackoff()
        self._state = state

    def assign(self, partitions: Iterable[Partition]) -> None:
        """Replace the assignment; none of the partitions has a position yet."""
        self.placed.clear()
        self.unavailable.clear()
        self.seeking = set(partitions)
        self.backoff.clear()
        self._state.assign(self.seeking)

    def set_position(self, partition: Partition, place: Place, topic_id: str | None) -> None:
        self.placed[partition] = PartitionPosition(place.offset, topic_id)
        self.seeking.discard(partition)
        self._state.place(partition, place.offset, place.as_of)

    def set_aside(self, partition: Partition, cause: str) -> None:
        """Leave a partition without a position, so that the others are counted."""
        self.seeking.discard(partition)
        self.unavailable.add(partition)
        self._state.set_aside(partition, cause)

    def seek_available(self) -> None:
        """Seek the positions of partitions that were set aside and whose offsets have been read since."""
        owned = self._state.owned
        back = {each for each in self.unavailable if each in owned and owned[each].unavailable is None}
        self.unavailable -= back
        self.seeking |= back

    def reset(self, partition: Partition) -> None:
        """Drop a partition's position, to be read from Redis again."""
        self.placed.pop(partition, None)
        self.seeking.add(partition)
        self._state.displace([partition])

    def reset_all(self) -> None:
        """Drop every position: records of any partition may have been lost between log and worker."""
        for partition in list(self.placed):
            self.reset(partition)

    def stop(self, partition: Partition, cause: str) -> None:
        """Exclude a partition until its position is requested again."""
        self.placed.pop(partition, None)
        self._state.stop(partition, cause)

    def is_of_topic(self, topic_id: str | None) -> bool:
        """Return whether every position is one of this topic; in a recreated topic, offsets start over."""
        return all(position.topic_id == topic_id for position in self.placed.values())

    def offsets(self) -> dict[Partition, Offset]:
        """Return the next offset of each partition with a position."""
        return {partition: position.next for partition, position in self.placed.items()}
