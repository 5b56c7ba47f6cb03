"""How things stand with a worker: written by its loop, and read by whoever shares its event loop."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from ingest.batch import Batch, Offset, Partition
from ingest.ports import Extent


@dataclass(slots=True)
class PartitionState:
    """A partition that a worker owns.

    `checkpoint` is None while the worker seeks its place, `as_of` while the partition is catching up, and
    `end` before the log was looked at. `progressed_at`, by the event loop's clock, is when it last got on, or
    had nothing left to do. `stopped` is why it can't go on without an operator.
    """

    progressed_at: float
    checkpoint: Offset | None = None
    end: Offset | None = None
    as_of: datetime | None = None
    stopped: str | None = None

    @property
    def lag(self) -> int | None:
        """How many offsets there are still to read, None while that is not known."""
        if self.checkpoint is None or self.end is None:
            return None
        return max(0, self.end - self.checkpoint)

    def note_progress(self) -> None:
        """Keep the present as when it last got on, also in having nothing left to do."""
        self.progressed_at = _now()


class WorkerState:
    """The state of one worker. Of its own loop it keeps when that turned last, and likewise for its watch.

    `partitions` is None until the group has dealt some out. `waiting_for` is what a step under way waits for,
    `away` what the watch beside it misses; both are None if that is nothing.
    """

    def __init__(self) -> None:
        self.partitions: dict[Partition, PartitionState] | None = None
        self.waiting_for: str | None = None
        self.away: str | None = None
        self.turned_at: float | None = None
        self.watched_at: float | None = None

    @property
    def owned(self) -> Mapping[Partition, PartitionState]:
        """The partitions there are, which may be none."""
        return self.partitions or {}

    @property
    def is_waiting(self) -> bool:
        """Whether Kafka or Redis is known to be away."""
        return self.waiting_for is not None or self.away is not None

    def turn(self) -> None:
        """Note that the loop goes on, in whatever step it is."""
        self.turned_at = _now()

    def watch(self, away: str | None) -> None:
        """Note that the watch has looked, and what it missed. No progress is wanted in a wait."""
        was_waiting, self.away = self.is_waiting, away
        self.watched_at = _now()
        if was_waiting or self.is_waiting:
            for state in self.owned.values():
                state.note_progress()

    def assign(self, partitions: Iterable[Partition]) -> None:
        """Note which partitions are owned from now on."""
        self.partitions = {partition: PartitionState(_now()) for partition in partitions}

    def leave(self) -> None:
        """Note that the group was left, and that the log's ends are not watched any more."""
        self.partitions = self.away = self.watched_at = None

    def place(self, partition: Partition, position: Offset, as_of: datetime | None) -> None:
        """Note where a partition goes on, and what is known of how fresh it is."""
        if state := self.owned.get(partition):
            state.checkpoint, state.as_of, state.stopped = position, as_of, None
            state.note_progress()

    def displace(self, partitions: Iterable[Partition]) -> None:
        """Note that the places of partitions are sought again."""
        for partition in self.owned.keys() & set(partitions):
            self.owned[partition].checkpoint = None

    def stop(self, partition: Partition, cause: str) -> None:
        """Note that a partition can't go on."""
        if state := self.owned.get(partition):
            state.stopped = cause

    def step(self, batch: Batch) -> None:
        """Note that a batch is in."""
        if state := self.owned.get(batch.partition):
            state.checkpoint = batch.end
            if batch.as_of is not None:
                state.as_of = batch.as_of
            if batch.end > batch.start or not state.lag:
                state.note_progress()

    def reach(self, extents: Mapping[Partition, Extent]) -> None:
        """Note where the log ends."""
        for partition, state in self.owned.items():
            if partition in extents:
                state.end = extents[partition].end


def _now() -> float:
    return asyncio.get_running_loop().time()
