"""Reads the projection's state from the fake Redis."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from ingest.batch import Partition
from projector import keys
from projector.gaps import GapReport
from tests.simulation.log import Entry
from tests.simulation.store import Store

CHECKPOINTS: Final = keys.FIRST.checkpoints.encode()
AS_OF: Final = keys.FIRST.as_of.encode()
DEPLOYMENT: Final = keys.ONLY.deployment.encode()
GAPS: Final = keys.ONLY.gaps.encode()


@dataclass(frozen=True, slots=True)
class Stored:
    """A look into a store; as-of instants are in milliseconds of the epoch."""

    store: Store

    def topic_id(self) -> str | None:
        found = self.store.hget(DEPLOYMENT, b"topic_id")
        return None if found is None else found.decode()

    def checkpoint(self, partition: Partition) -> int | None:
        found = self.store.hget(CHECKPOINTS, str(partition).encode())
        return None if found is None else int(found)

    def partitions(self) -> int:
        """Return how many have a checkpoint."""
        return len(self.store.hashes.get(CHECKPOINTS, ()))

    def as_of(self, partition: Partition) -> int | None:
        found = self.store.hget(AS_OF, str(partition).encode())
        return None if found is None else int(found)

    def instants(self) -> Collection[int]:
        return [int(instant) for instant in self.store.hashes.get(AS_OF, {}).values()]

    def gaps(self) -> Sequence[GapReport]:
        return [msgspec.json.decode(gap, type=GapReport) for gap in self.store.lists.get(GAPS, ())]

    def counts(self, entry: Entry) -> bool:
        """Tell whether the entry's user is in every counter where it belongs."""
        counters = self.store.counters
        return all(entry.user_id in counters.get(counter, ()) for counter in entry.counters)
