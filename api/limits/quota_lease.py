"""A lease: some of a token's requests of one minute, taken from the count of all processes at once."""

from dataclasses import dataclass
from typing import Final

SHARE: Final = 20
"""At most one in so many of the requests that are left is taken in advance."""


@dataclass(slots=True, eq=False)
class QuotaLease:
    """The numbers that one process holds of those that the requests of a token get in a minute.

    All processes take them from one count, so each number is given out once: a request is within `limit` if
    its number is, whoever else asks.
    """

    key: str
    limit: int
    waiting: int = 0
    """How many requests wait for a number."""
    _spent: int = 0
    _next: int = 1
    _last: int = 0

    def spend(self) -> int | None:
        """Give a number out, None where there is none left: more are to be taken."""
        if self._next <= self._last:
            self._spent += 1
            self._next += 1
            return self._next - 1
        # The count has reached the limit: any further number is beyond it, so that none need be taken.
        return self._last + 1 if self._last >= self.limit else None

    def demand(self) -> int:
        """Say how many numbers to take: one for each that waits, and some in advance.

        What another process could do with is not held long: no more is taken than was spent in this minute,
        and ever less the nearer the limit is, in the end nothing.
        """
        waiting, self.waiting = self.waiting, 0
        return waiting + min(self._spent, (self.limit - self._last) // SHARE)

    def extend(self, count: int, amount: int) -> None:
        """Hold the last `amount` numbers of a count that has come to `count`."""
        self._next = count - amount + 1
        self._last = count
