"""Counts of the current minute in the memory of this process, for a bounded number of names."""

from collections import Counter
from collections.abc import Hashable
from datetime import datetime
from typing import Final

from api.limits.rate_limit_status import minute_of

_OTHERS: Final = "others"


class MinuteCounts:
    """Counts by name, starting from 0 each minute.

    Once there are `max_names`, all other names share one count: a flood of names does not fill the memory.
    """

    def __init__(self, *, max_names: int) -> None:
        self._max_names = max_names
        self._minute = 0
        self._counts: Counter[Hashable] = Counter()

    def __len__(self) -> int:
        return len(self._counts)

    def add(self, name: Hashable, now: datetime) -> int:
        """Add one and return the count of this minute."""
        self._start_minute(minute_of(now))
        slot = self._slot(name)
        self._counts[slot] += 1
        return self._counts[slot]

    def get(self, name: Hashable, now: datetime) -> int:
        self._start_minute(minute_of(now))
        return self._counts[self._slot(name)]

    def _start_minute(self, minute: int) -> None:
        if minute != self._minute:
            self._minute = minute
            self._counts.clear()

    def _slot(self, name: Hashable) -> Hashable:
        return name if name in self._counts or len(self._counts) < self._max_names else _OTHERS
