"""The pace of a steady load: how many events are due. Pure: it is told the time."""

from typing import Final

MOST_BEHIND_SECONDS: Final = 0.25
"""What fell due longer ago is not made up for: a burst is another load than the one that was asked for."""


class Pace:
    """So many events a second, from `start` on, in seconds of any clock."""

    def __init__(self, rate: float, *, start: float) -> None:
        self._rate = rate
        self._told_at = start
        self._rest = 0.0

    def due(self, now: float) -> int:
        """Return how many events have fallen due since this was asked last."""
        seconds = min(now - self._told_at, MOST_BEHIND_SECONDS)
        owed = self._rate * seconds + self._rest
        whole = int(owed)
        self._told_at, self._rest = now, owed - whole
        return whole
