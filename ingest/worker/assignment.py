"""The lanes: how far a worker is in each partition that it owns, and which of them seek their place."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from ingest.batch import Offset, Partition
from ingest.worker.positioning import Place
from ingest.worker.state import WorkerState
from ingest.worker.watermarks import Watermarks


@dataclass(slots=True)
class PartitionPosition:
    """The worker's place in a partition of a topic: `next` is the end of the batch that was applied last."""

    next: Offset
    topic_id: str | None
    watermarks: Watermarks = field(default_factory=Watermarks)


class Assignment:
    """A partition has a lane, or seeks its place, or is stopped. Only the worker's loop changes which.

    `state` is kept up to date for whoever shows it.
    """

    def __init__(self, state: WorkerState) -> None:
        self.placed: dict[Partition, PartitionPosition] = {}
        self.seeking: set[Partition] = set()
        self._state = state

    def assign(self, partitions: Iterable[Partition]) -> None:
        """Start over with these partitions, none of which has a place."""
        self.placed.clear()
        self.seeking = set(partitions)
        self._state.assign(self.seeking)

    def place(self, partition: Partition, place: Place, topic_id: str | None) -> None:
        """Go on from there."""
        self.placed[partition] = PartitionPosition(place.offset, topic_id)
        self.seeking.discard(partition)
        self._state.place(partition, place.offset, place.as_of)

    def lose(self, partition: Partition) -> None:
        """Have a partition's place sought again."""
        self.placed.pop(partition, None)
        self.seeking.add(partition)
        self._state.displace([partition])

    def reset_all(self) -> None:
        """Have every place sought again: records of any partition may have been lost on the way here."""
        for partition in list(self.placed):
            self.lose(partition)

    def stop(self, partition: Partition, cause: str) -> None:
        """Take a partition out until its place is sought again."""
        self.placed.pop(partition, None)
        self._state.stop(partition, cause)

    def are_of(self, topic_id: str | None) -> bool:
        """Tell whether every lane is of this very topic: offsets mean nothing in another one."""
        return all(position.topic_id == topic_id for position in self.placed.values())

    def offsets(self) -> dict[Partition, Offset]:
        """Return where each lane stands."""
        return {partition: position.next for partition, position in self.placed.items()}
