"""A histogram: how many values were at most so large, and their sum."""

from bisect import bisect_left
from collections.abc import Sequence


class Histogram:
    """Counts values up to each of the `bounds`, which ascend, and those beyond the last."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        """How many values were in each interval alone; one that equals a bound is not beyond it."""
        self.sum = 0.0

    def observe(self, value: float, *, times: int = 1) -> None:
        """Count a value, which may stand for several."""
        self.counts[bisect_left(self.bounds, value)] += times
        self.sum += value * times
