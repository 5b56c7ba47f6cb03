"""What was found out a moment ago, and is taken for true so long and no longer."""

from collections.abc import Callable
from typing import Final, Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")

Timer = Callable[[], float]
"""Seconds from an unknown instant on, like `time.monotonic`: a clock that is put right changes no age."""


class TTLCache(Generic[Key, Value]):
    """Keeps each value for `seconds` from the instant it was asked for, and no more than `max_entries`."""

    def __init__(self, *, seconds: float, max_entries: int, timer: Timer) -> None:
        self.timer: Final = timer
        self._seconds = seconds
        self._max_entries = max_entries
        self._kept: dict[Key, tuple[float, Value]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Key) -> Value | None:
        """Return what is kept and not too old, else None."""
        found = self._kept.get(key)
        if found is None or self.timer() >= found[0]:
            return None
        return found[1]

    def keep(self, key: Key, value: Value, *, asked_at: float) -> None:
        """Keep what was found; it ages from before the question, since it may have changed right after."""
        self._kept.pop(key, None)
        self._kept[key] = (asked_at + self._seconds, value)
        self._tidy()

    def _tidy(self) -> None:
        # The first one in is, but for a moment, the first to be too old: those behind it need no look.
        now = self.timer()
        while len(self._kept) > self._max_entries or (self._kept and now >= self._first_end()):
            del self._kept[next(iter(self._kept))]

    def _first_end(self) -> float:
        return next(iter(self._kept.values()))[0]
