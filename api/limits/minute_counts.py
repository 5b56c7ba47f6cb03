"""Counts of the current minute in this process's memory, of so many names and no more."""

from collections import Counter
from datetime import datetime
from typing import Final

from api.limits.rate_limit_status import minute_of

_THE_REST: Final = ""


class MinuteCounts:
    """Counts by name, from 0 again each minute.

    Once there are `max_names`, all others count as one: a flood from ever new names fills no memory.
    """

    # The in-memory storage of `limits` has no bound, and looks at every name again after each one counted.

    def __init__(self, *, max_names: int) -> None:
        self._max_names = max_names
        self._minute = 0
        self._counts: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._counts)

    def add(self, name: str, now: datetime) -> int:
        """Count one more, and return how many there were in this minute."""
        self._turn(minute_of(now))
        slot = self._slot(name)
        self._counts[slot] += 1
        return self._counts[slot]

    def get(self, name: str, now: datetime) -> int:
        self._turn(minute_of(now))
        return self._counts[self._slot(name)]

    def _turn(self, minute: int) -> None:
        if minute != self._minute:
            self._minute = minute
            self._counts.clear()

    def _slot(self, name: str) -> str:
        return name if name in self._counts or len(self._counts) < self._max_names else _THE_REST
