"""What was counted lately: only whom its partition's batches before did not bring is sent with a batch."""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Final

from ingest.batch import Batch, Offset, Partition
from projector.fold import Addition
from projector.keys import Counter

REMEMBERED: Final = 300_000
"""User ids that are remembered over all counters: some 25 MB of them."""

_COUNTER_ROOM: Final = 8
"""What a counter takes, in user ids."""


@dataclass(slots=True)
class _Past:
    """What the batches of a partition brought, up to the last one's end."""

    end: Offset
    user_ids: dict[Counter, set[str]] = field(default_factory=dict)


class Recent:
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
        return [left for each in additions if (left := _without(each, past.user_ids)).user_ids]

    def remember(self, batch: Batch, additions: Iterable[Addition]) -> None:
        """Note that a batch is in the counters, with what was left of its additions."""
        past = self._partitions.get(batch.partition)
        if past is None or past.end != batch.start:
            past = self._partitions[batch.partition] = _Past(batch.end)
        past.end = batch.end
        for addition in additions:
            if addition.counter not in past.user_ids:
                past.user_ids[addition.counter] = set()
                self._room -= _COUNTER_ROOM
            past.user_ids[addition.counter].update(addition.user_ids)
            self._room -= len(addition.user_ids)
        if self._room < 0:
            self.forget()

    def forget(self) -> None:
        """Send everybody again."""
        self._partitions.clear()
        self._room = self._remembered


def _without(addition: Addition, known: Mapping[Counter, AbstractSet[str]]) -> Addition:
    counter, expires_at, user_ids, _ = addition
    if counter not in known:
        return addition
    return Addition(counter, expires_at, user_ids - known[counter], expiry_stands=True)
