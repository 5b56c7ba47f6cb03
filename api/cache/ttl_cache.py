"""A cache whose entries expire.

cachetools.TLRUCache does the same, but its reads took six to nine times as long, and each poll makes two of
them. No entry here needs to be moved on a read.
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
        self._entries: dict[Key, tuple[float, Value]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Key) -> Value | None:
        """Return the value unless it has expired."""
        found = self._entries.get(key)
        if found is None or self.timer() >= found[0]:
            return None
        return found[1]

    def put(self, key: Key, value: Value, *, read_at: float) -> None:
        """Keep a value. Its age counts from before the read: the source may have changed right after that."""
        self._entries.pop(key, None)
        self._entries[key] = (read_at + self._seconds, value)
        # Entries expire in the order of insertion, apart from moments.
        now = self.timer()
        while len(self._entries) > self._max_entries or (self._entries and now >= self._first_expiry()):
            del self._entries[next(iter(self._entries))]

    def _first_expiry(self) -> float:
        return next(iter(self._entries.values()))[0]
