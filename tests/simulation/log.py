"""The log of the fake Kafka: topics, their partitions, and what lies at each offset."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final
from uuid import UUID

from ingest.batch import Partition
from tests.support.fakes_log import FakeRecord

ROUNDING_SECONDS: Final = 1e-5


@dataclass(slots=True, kw_only=True)
class Entry:
    """What lies at an offset: a record, or what a marker, compaction or an aborted transaction leaves.

    `counters` are those that must hold the user once the record is counted. `published_at` is None while its
    transaction is open.
    """

    record: FakeRecord | None = None
    published_at: float | None = None
    user_id: bytes = b""
    counters: Sequence[bytes] = ()
    is_poison: bool = False
    is_damaged: bool = False
    in_transaction: bool = False

    def is_published_before(self, instant: float) -> bool:
        return self.published_at is not None and self.published_at < instant - ROUNDING_SECONDS


@dataclass(frozen=True, slots=True)
class Chunk:
    """Entries of a partition, from an offset on, as a fetch found them."""

    start: int
    entries: Sequence[Entry]


@dataclass(slots=True)
class PartitionLog:
    """A partition. Retention moves `beginning`; `entries` keeps what it removed, for the oracle to see."""

    entries: list[Entry] = field(default_factory=list)
    beginning: int = 0
    transaction_start: int | None = None

    @property
    def end(self) -> int:
        return len(self.entries)

    @property
    def stable_end(self) -> int:
        """The end for readers of committed records: an open transaction hides all that follows its first."""
        return self.end if self.transaction_start is None else self.transaction_start

    def held(self) -> Sequence[Entry]:
        """Return what can still be read."""
        return self.entries[self.beginning :]

    def append(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            if entry.record is not None:
                entry.record = replace(entry.record, offset=self.end)
            self.entries.append(entry)
            if entry.in_transaction and self.transaction_start is None:
                self.transaction_start = self.end - 1

    def end_transaction(self, now: float, *, committed: bool) -> None:
        """Append the marker that ends the open transaction."""
        if self.transaction_start is None:
            return
        for entry in self.entries[self.transaction_start :]:
            if entry.in_transaction and entry.published_at is None:
                if committed:
                    entry.published_at = now
                else:
                    entry.record, entry.counters, entry.is_poison = None, (), False
        self.transaction_start = None
        self.entries.append(Entry())


@dataclass(slots=True)
class Topic:
    """A topic; one of the same name that is created after it has another id."""

    name: str
    id: UUID
    partitions: list[PartitionLog]

    def numbered(self) -> Iterable[tuple[Partition, PartitionLog]]:
        return ((Partition(self.name, number), log) for number, log in enumerate(self.partitions))
