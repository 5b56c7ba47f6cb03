"""Stopped partitions: when each is tried again, since an operator may have mended it."""

from typing import Final

from ingest.batch import Partition

FIRST_SECONDS: Final = 5.0
LONGEST_SECONDS: Final = 60.0


class PartitionBackoff:
    """Each stop in a row doubles the wait: soon after a quick hand, and rarely where none comes."""

    def __init__(self) -> None:
        self._waits: dict[Partition, float] = {}
        self._until: dict[Partition, float] = {}

    def add(self, partition: Partition, now: float) -> None:
        """Note that a partition stopped; `now` is the event loop's clock."""
        wait = min(2 * self._waits.get(partition, FIRST_SECONDS / 2), LONGEST_SECONDS)
        self._waits[partition] = wait
        self._until[partition] = now + wait

    def due(self, now: float) -> list[Partition]:
        """Take out the partitions whose wait is over."""
        due = [partition for partition, until in self._until.items() if now >= until]
        for partition in due:
            del self._until[partition]
        return due

    def forget(self, partition: Partition) -> None:
        """Note that a partition goes on: its next stop is a first one."""
        self._waits.pop(partition, None)

    def clear(self) -> None:
        """Note that the partitions owned are others now."""
        self._waits.clear()
        self._until.clear()
