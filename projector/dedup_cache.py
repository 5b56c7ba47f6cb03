"""The deduplication cache: users that earlier batches of a partition sent to a counter are not sent again."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date
from heapq import nlargest
from typing import Final

from ingest.batch import Batch, Offset, Partition
from projector.fold import Addition

CAPACITY: Final = 300_000
"""User ids in the cache, over all counters: about 40 MB."""
PERIODS: Final = 2
"""How many days, and how many buckets, are cached for each partition: the newest, because events arrive
roughly in order of time. Caching more, in newly allocated memory, takes longer than sending late users."""

_COUNTER_COST: Final = 8
"""The memory of a counter's entry, in user ids."""

Period = date | int
Workspaces = dict[str, set[str]]
"""The users of each workspace."""


@dataclass(slots=True)
class _SentUsers:
    """The users that a partition's batches sent to its newest periods, up to the end of the last batch."""

    end: Offset
    periods: dict[Period, Workspaces] = field(default_factory=dict)

    def without_known(self, addition: Addition) -> Addition:
        counter, expires_at, user_ids, _ = addition
        known = self.periods.get(counter.period, {}).get(counter.workspace_id)
        if known is None:
            return addition
        return Addition(counter, expires_at, user_ids - known, is_expiry_set=True)

    def add(self, addition: Addition) -> int:
        """Take over the addition's users, and return the cost of the new entries."""
        counter, _, user_ids, _ = addition
        workspaces = self.periods[counter.period]
        if counter.workspace_id in workspaces:
            workspaces[counter.workspace_id] |= user_ids
            return len(user_ids)
        workspaces[counter.workspace_id] = user_ids  # not copied: the caller needs the set no longer
        return len(user_ids) + _COUNTER_COST

    def keep(self, newest: Collection[Period]) -> int:
        """Keep these periods and drop all others; return the cost of the dropped entries."""
        dropped = [self.periods.pop(period) for period in self.periods.keys() - newest]
        self.periods = {period: self.periods.get(period, {}) for period in newest}
        return sum(_COUNTER_COST + len(user_ids) for each in dropped for user_ids in each.values())


class DedupCache:
    """Caches which users the batches of each partition sent to which counter.

    All events before a partition's checkpoint are in the counters: both are written together, and restored
    together, whichever worker writes them. So a batch that is accepted at the end of the cached ones need not
    send their users again. The batches of another partition say nothing about that: Redis may have been
    restored to a copy from before that partition's batches.
    """

    def __init__(self, *, capacity: int = CAPACITY) -> None:
        self._free = self._capacity = capacity
        self._partitions: dict[Partition, _SentUsers] = {}

    def without_known(self, batch: Batch, additions: Sequence[Addition]) -> Sequence[Addition]:
        """Drop the users and expiries that the counters already have if the batch is accepted."""
        sent = self._partitions.get(batch.partition)
        if sent is None or sent.end != batch.start:
            return additions
        return [left for each in additions if (left := sent.without_known(each)).user_ids]

    def remember(self, batch: Batch, additions: Sequence[Addition]) -> None:
        """Cache the users of a batch, and take over their sets.

        The batch may not be applied yet: the checkpoint that the next batch finds shows whether it was.
        """
        sent = self._partitions.setdefault(batch.partition, _SentUsers(batch.start))
        if sent.end != batch.start:
            self._free += sent.keep(())
        sent.end = batch.end
        newest = _newest({*sent.periods, *(addition.counter.period for addition in additions)})
        self._free += sent.keep(newest)
        self._free -= sum(sent.add(addition) for addition in additions if addition.counter.period in newest)
        if self._free < 0:
            self.clear()

    def clear(self) -> None:
        """Drop all entries: every user is sent again."""
        self._partitions.clear()
        self._free = self._capacity


def _newest(periods: Collection[Period]) -> Collection[Period]:
    days = nlargest(PERIODS, (period for period in periods if isinstance(period, date)))
    return {*days, *nlargest(PERIODS, (period for period in periods if isinstance(period, int)))}
