"""The pace of a replay: when a recorded activity is due. None is ever due before it has occurred."""

from collections.abc import Callable
from datetime import datetime
from typing import Final, Protocol

Clock = Callable[[], datetime]

NOW: Final = 0.0


class Pace(Protocol):
    """Asked for each activity, in order."""

    def delay(self, occurred_at: datetime) -> float | None:
        """Say how many seconds the activity has to wait, or None if the replay ends before it."""
        ...


class FullSpeed:
    """Everything that has occurred, at once; what the clock has not reached is left out."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def delay(self, occurred_at: datetime) -> float | None:
        return NOW if occurred_at <= self._clock() else None


class RecordedPace:
    """The recording's own pace, `speed` times as fast until it has caught up with the clock."""

    def __init__(self, clock: Clock, speed: float) -> None:
        self._clock = clock
        self._speed = speed
        self._first: datetime | None = None
        self._start = clock()

    def delay(self, occurred_at: datetime) -> float:
        self._first = self._first or occurred_at
        due = max(self._start + (occurred_at - self._first) / self._speed, occurred_at)
        return max(NOW, (due - self._clock()).total_seconds())
