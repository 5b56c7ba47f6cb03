"""What was counted lately: only whom its partition's batches before did not bring is sent with a batch."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date
from heapq import nlargest
from typing import Final

from ingest.batch import Batch, Offset, Partition
from projector.fold import Addition

REMEMBERED: Final = 300_000
"""User ids that are remembered over all counters: some 40 MB of them."""
PERIODS: Final = 2
"""How many days, and how many buckets, are remembered of each partition: the newest, for events come in about
the order of time. To keep more, in ever new memory, takes longer than to send the few late ones again."""

_COUNTER_ROOM: Final = 8
"""What a counter takes, in user ids."""

Period = date | int
Workspaces = dict[str, set[str]]
"""The users of each."""


@dataclass(slots=True)
class _Past:
    """What the batches of a partition brought to its newest periods, up to the last one's end."""

    end: Offset
    periods: dict[Period, Workspaces] = field(default_factory=dict)

    def without_known(self, addition: Addition) -> Addition:
        counter, expires_at, user_ids, _ = addition
        known = self.periods.get(counter.period, {}).get(counter.workspace_id)
        if known is None:
            return addition
        return Addition(counter, expires_at, user_ids - known, expiry_stands=True)

    def add(self, addition: Addition) -> int:
        """Take the addition over, and return how much room that takes."""
        counter, _, user_ids, _ = addition
        workspaces = self.periods[counter.period]
        if counter.workspace_id in workspaces:
            workspaces[counter.workspace_id] |= user_ids
            return len(user_ids)
        workspaces[counter.workspace_id] = user_ids  # which nobody needs any more
        return len(user_ids) + _COUNTER_ROOM

    def keep(self, newest: Collection[Period]) -> int:
        """Remember these periods, and no others; return how much room that makes."""
        dropped = [self.periods.pop(period) for period in self.periods.keys() - newest]
        self.periods = {period: self.periods.get(period, {}) for period in newest}
        return sum(_COUNTER_ROOM + len(user_ids) for each in dropped for user_ids in each.values())


class DedupCache:
    """Remembers whom the batches of each partition brought to which counter.

    Wherever a partition's checkpoint is, all its events before that are in the counters: the two are written
    and put back together, whoever writes them. So a batch that is accepted at the end of the one remembered
    need not bring anybody again. What another partition's batches brought says nothing: Redis may have been
    put back to where only that one had not come to yet.
    """

    def __init__(self, *, remembered: int = REMEMBERED) -> None:
        self._room = self._remembered = remembered
        self._partitions: dict[Partition, _Past] = {}

    def without_known(self, batch: Batch, additions: Sequence[Addition]) -> Sequence[Addition]:
        """Leave out who is in the counter already if the batch is accepted, and expiries that stand then."""
        past = self._partitions.get(batch.partition)
        if past is None or past.end != batch.start:
            return additions
        return [left for each in additions if (left := past.without_known(each)).user_ids]

    def remember(self, batch: Batch, additions: Sequence[Addition]) -> None:
        """Note what a batch brings, and take that over; whether it is in, its checkpoint will say."""
        past = self._partitions.setdefault(batch.partition, _Past(batch.start))
        if past.end != batch.start:
            self._room += past.keep(())
        past.end = batch.end
        newest = _newest({*past.periods, *(addition.counter.period for addition in additions)})
        self._room += past.keep(newest)
        self._room -= sum(past.add(addition) for addition in additions if addition.counter.period in newest)
        if self._room < 0:
            self.forget()

    def forget(self) -> None:
        """Send everybody again."""
        self._partitions.clear()
        self._room = self._remembered


def _newest(periods: Collection[Period]) -> Collection[Period]:
    days = nlargest(PERIODS, (period for period in periods if isinstance(period, date)))
    return {*days, *nlargest(PERIODS, (period for period in periods if isinstance(period, int)))}
