"""The state of a worker, written by its loop and read by health checks and metrics in the same event loop."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from ingest.batch import Batch, Offset, Partition
from ingest.ports import LogState


@dataclass(slots=True)
class PartitionState:
    """The state of an assigned partition.

    `checkpoint` is None until the worker has a position, `as_of` while the partition is catching up, and
    `end` before the log's end was first read. `progressed_at`, by the event loop's clock, is when the
    partition last progressed or had no lag. `stopped` is the reason if it needs an operator to continue,
    `unavailable` the reason if Kafka returns neither its offsets nor its records.
    """

    progressed_at: float
    checkpoint: Offset | None = None
    end: Offset | None = None
    as_of: datetime | None = None
    stopped: str | None = None
    unavailable: str | None = None

    @property
    def lag(self) -> int | None:
        """The number of offsets still to read, None if unknown."""
        if self.checkpoint is None or self.end is None:
            return None
        return max(0, self.end - self.checkpoint)

    def note_progress(self) -> None:
        """Set `progressed_at` to the present."""
        self.progressed_at = _now()


class WorkerState:
    """The state of one worker.

    `partitions` is None until the group has assigned some. `waiting_for` is the error that a step in progress
    is waiting out, `away` the last error of the watermark monitor; both are None without one. `turned_at` and
    `watched_at` are when the worker's loop and the monitor last ran, by the event loop's clock.
    """

    def __init__(self) -> None:
        self.partitions: dict[Partition, PartitionState] | None = None
        self.waiting_for: str | None = None
        self.away: str | None = None
        self.turned_at: float | None = None
        self.watched_at: float | None = None

    @property
    def owned(self) -> Mapping[Partition, PartitionState]:
        """The assigned partitions, which may be none."""
        return self.partitions or {}

    @property
    def is_waiting(self) -> bool:
        """Whether Kafka or Redis is known to be unavailable."""
        return self.waiting_for is not None or self.away is not None

    def turn(self) -> None:
        """Record that the loop runs, in whatever step it is."""
        self.turned_at = _now()

    def watch(self, away: str | None) -> None:
        """Record a run of the watermark monitor and its error. A wait does not count as a stall."""
        was_waiting, self.away = self.is_waiting, away
        self.watched_at = _now()
        if was_waiting or self.is_waiting:
            for state in self.owned.values():
                state.note_progress()

    def assign(self, partitions: Iterable[Partition]) -> None:
        """Record the partitions of a new assignment."""
        self.partitions = {partition: PartitionState(_now()) for partition in partitions}

    def leave(self) -> None:
        """Record that the worker left the group, and that its watermark monitor has ended."""
        self.partitions = self.away = self.watched_at = None

    def place(self, partition: Partition, position: Offset, as_of: datetime | None) -> None:
        """Record the position of a partition, and its as-of instant if known."""
        if state := self.owned.get(partition):
            state.checkpoint, state.as_of, state.stopped = position, as_of, None
            state.note_progress()

    def displace(self, partitions: Iterable[Partition]) -> None:
        """Record that the positions of partitions were dropped."""
        for partition in self.owned.keys() & set(partitions):
            self.owned[partition].checkpoint = None

    def stop(self, partition: Partition, cause: str) -> None:
        """Record that a partition is stopped."""
        if state := self.owned.get(partition):
            state.stopped = cause

    def set_aside(self, partition: Partition, cause: str) -> None:
        """Note that Kafka gives no offsets of a partition, until `reach` finds that it does."""
        if state := self.owned.get(partition):
            state.unavailable = cause

    def step(self, batch: Batch) -> None:
        """Record an applied batch."""
        if state := self.owned.get(batch.partition):
            state.checkpoint = batch.end
            if batch.as_of is not None:
                state.as_of = batch.as_of
            if batch.end > batch.start or not state.lag:
                state.note_progress()

    def reach(self, log: LogState) -> None:
        """Record the log ends, and the partitions that can't be read: those need not progress."""
        for partition, state in self.owned.items():
            was_unavailable, state.unavailable = state.unavailable, log.unavailable.get(partition)
            if was_unavailable or state.unavailable:
                state.note_progress()
            if partition in log.extents:
                state.end = log.extents[partition].end


def _now() -> float:
    return asyncio.get_running_loop().time()
