"""A cache whose entries expire.

cachetools.TLRUCache does the same; its reads took six to nine times as long when both were measured, twice
for each poll, and no entry here needs to be moved on a read.
"""

from collections.abc import Callable
from typing import Final, Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")

Timer = Callable[[], float]
"""Monotonic seconds, like `time.monotonic`: setting the system clock changes no age."""


class TTLCache(Generic[Key, Value]):
    """Keeps each value for `seconds` from the instant it was read, and the newest `max_entries` of them."""

    def __init__(self, *, seconds: float, max_entries: int, timer: Timer) -> None:
        self.timer: Final = timer
        self._seconds = seconds
        self._max_entries = max_entries
        self._kept: dict[Key, tuple[float, Value]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Key) -> Value | None:
        """Return the value unless it has expired."""
        found = self._kept.get(key)
        if found is None or self.timer() >= found[0]:
            return None
        return found[1]

    def keep(self, key: Key, value: Value, *, asked_at: float) -> None:
        """Keep a value; its age counts from before it was read, since it may have changed right after."""
        self._kept.pop(key, None)
        self._kept[key] = (asked_at + self._seconds, value)
        self._tidy()

    def _tidy(self) -> None:
        # Entries expire in the order in which they were inserted, give or take a moment.
        now = self.timer()
        while len(self._kept) > self._max_entries or (self._kept and now >= self._first_end()):
            del self._kept[next(iter(self._kept))]

    def _first_end(self) -> float:
        return next(iter(self._kept.values()))[0]
