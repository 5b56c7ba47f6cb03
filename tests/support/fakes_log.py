"""A fake of the log, in memory: a topic, and the members of a group that read it.

It keeps the promises of `ingest.ports.Source`; `tests/suites` holds it to the same assertions as Kafka.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from ingest.batch import Offset, Partition
from ingest.errors import OutOfRangeError, UnavailableError, UnreadableError
from ingest.events.decoding import LOG_APPEND_TIME
from ingest.ports import Extent, Headers, LogState, Record
from tests.support.steps import Steps

NOW: Final = datetime(2024, 5, 17, 12, tzinfo=UTC)
POLL_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeRecord:
    """A record in the shape of aiokafka's."""

    value: bytes | None = None
    key: bytes | None = None
    offset: int = 0
    timestamp: int = int(NOW.timestamp() * 1000)
    timestamp_type: int = LOG_APPEND_TIME
    headers: Headers = ()


class FakeLog:
    """A topic and its consumer group; None in place of a record is what compaction or a marker leaves."""

    def __init__(self, partitions: int = 1, topic: str = "user-activity") -> None:
        self.topic_id = "first"
        self.committed: dict[Partition, Offset] = {}
        self._slots: dict[Partition, list[FakeRecord | None]] = {
            Partition(topic, number): [] for number in range(partitions)
        }
        self._beginnings: dict[Partition, int] = dict.fromkeys(self._slots, 0)
        self._damaged: set[tuple[Partition, int]] = set()
        self._hidden: set[Partition] = set()
        self._leaderless: set[Partition] = set()
        self._members: list[FakeSource] = []

    @property
    def partitions(self) -> Sequence[Partition]:
        return list(self._slots)

    def state(self) -> LogState:
        readable = self._slots.keys() - self._hidden - self._leaderless
        if not readable and self._leaderless:
            raise UnavailableError("no partition has a leader")
        return LogState(
            self.topic_id,
            {partition: self.extent(partition) for partition in readable},
            dict.fromkeys(self._leaderless, "no leader"),
        )

    def extent(self, partition: Partition) -> Extent:
        return Extent(Offset(self._beginnings[partition]), Offset(len(self._slots[partition])))

    def add_partition(self) -> Partition:
        topic = self.partitions[0].topic
        added = Partition(topic, len(self._slots))
        self._slots[added] = []
        self._beginnings[added] = 0
        return added

    def hide(self, partition: Partition) -> None:
        """Tell nothing of a partition, as metadata does that is older than the assignment."""
        self._hidden.add(partition)

    def show(self, partition: Partition) -> None:
        self._hidden.discard(partition)

    def lose_leader(self, partition: Partition) -> None:
        """Have nobody give a partition's offsets or records."""
        self._leaderless.add(partition)

    def elect_leader(self, partition: Partition) -> None:
        self._leaderless.discard(partition)

    def append(self, partition: Partition, *records: FakeRecord | None) -> None:
        self._slots[partition].extend(records)

    def damage(self, partition: Partition, offset: int) -> None:
        self._damaged.add((partition, offset))

    def repair(self) -> None:
        self._damaged.clear()

    def purge(self, partition: Partition, before: int) -> None:
        """Remove the oldest records, as retention does."""
        self._beginnings[partition] = before

    def truncate(self, partition: Partition, end: int) -> None:
        """Lose the newest records, as an unclean election does."""
        del self._slots[partition][end:]

    def recreate(self, topic_id: str) -> None:
        self.topic_id = topic_id
        for partition in self._slots:
            self._slots[partition] = []
            self._beginnings[partition] = 0

    def read(self, partition: Partition, offset: int, most: int) -> tuple[list[Record], int]:
        """Return up to `most` records from an offset on, and the offset to go on from."""
        records: list[Record] = []
        if partition in self._leaderless:
            return records, offset
        for number, record in enumerate(self._slots[partition][offset:], start=offset):
            if (partition, number) in self._damaged:
                return _checked(records, number)
            if record is not None:
                records.append(replace(record, offset=number))
            offset = number + 1
            if len(records) == most:
                break
        return records, offset

    def join(self, member: "FakeSource") -> None:
        self._members.append(member)
        self.rebalance()

    def close_within(self, member: "FakeSource") -> None:
        if member in self._members:
            self._members.remove(member)
            self.rebalance()

    def rebalance(self) -> None:
        """Deal the partitions out anew: each member starts over from what the group committed."""
        for turn, member in enumerate(self._members):
            member.assign(self.partitions[turn :: len(self._members)])


def _checked(records: list[Record], offset: int) -> tuple[list[Record], int]:
    if not records:
        raise UnreadableError(f"damaged at {offset}")
    return records, offset


class FakeSource:
    """One member of the group of a `FakeLog`."""

    def __init__(self, log: FakeLog, *, steps: Steps | None = None, poll_records: int = 5_000) -> None:
        self._log = log
        self._steps = steps or Steps()
        self._poll_records = poll_records
        self._positions: dict[Partition, int | None] = {}
        self._paused: set[Partition] = set()
        self._assigned: frozenset[Partition] | None = None

    async def start(self) -> None:
        self._log.join(self)

    async def stop(self) -> None:
        self._log.close_within(self)

    def assign(self, partitions: Iterable[Partition]) -> None:
        self._assigned = frozenset(partitions)
        self._positions = {partition: self._log.committed.get(partition) for partition in self._assigned}
        self._paused = set()

    def take_assignment(self) -> frozenset[Partition] | None:
        assigned, self._assigned = self._assigned, None
        return assigned

    async def poll(self, only: Partition | None = None) -> Mapping[Partition, Sequence[Record]]:
        await self._steps.take("poll")
        drained = self._drain(self._chosen(only))
        if not drained:
            await asyncio.sleep(POLL_SECONDS)
        await self._steps.take("poll done")
        return {} if self._assigned is not None else drained

    def _chosen(self, only: Partition | None) -> Iterable[Partition]:
        """A partition without a position keeps aiokafka from the others as well, unless one is asked for."""
        if only is not None:
            return [only]
        return [] if None in self._positions.values() else self._positions

    def _drain(self, partitions: Iterable[Partition]) -> dict[Partition, Sequence[Record]]:
        drained: dict[Partition, Sequence[Record]] = {}
        left = self._poll_records
        for partition in partitions:
            position = self._positions.get(partition)
            if position is None or partition in self._paused or not left:
                continue
            extent = self._log.extent(partition)
            if not extent.beginning <= position <= extent.end:
                raise OutOfRangeError({partition: Offset(position)})
            records, self._positions[partition] = self._log.read(partition, position, left)
            left -= len(records)
            if records:
                drained[partition] = records
        return drained

    async def position(self, partition: Partition) -> Offset:
        await self._steps.take("position")
        position = self._positions.get(partition)
        if position is None or self._assigned is not None:
            raise UnavailableError(f"{partition} has no position")
        return Offset(position)

    def seek(self, partition: Partition, offset: Offset) -> None:
        if partition in self._positions:
            self._positions[partition] = offset

    def pause(self, partitions: Iterable[Partition]) -> None:
        self._paused |= set(partitions) & self._positions.keys()

    def resume(self, partitions: Iterable[Partition]) -> None:
        self._paused -= set(partitions)

    async def state(self) -> LogState:
        await self._steps.take("state")
        state = self._log.state()
        await self._steps.take("state done")
        return state

    async def committed(self, partitions: Iterable[Partition]) -> Mapping[Partition, Offset]:
        await self._steps.take("committed")
        owned = self._positions.keys() & set(partitions) & self._log.committed.keys()
        return {partition: Offset(self._log.committed[partition]) for partition in owned}

    async def commit(self, offsets: Mapping[Partition, Offset]) -> None:
        await self._steps.take("commit")
        owned = {partition: offset for partition, offset in offsets.items() if partition in self._positions}
        self._log.committed |= owned
        await self._steps.take("commit done")
