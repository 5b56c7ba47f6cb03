"""Latency: what many times amount to. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Percentiles of times, in milliseconds, by the nearest rank: each is a time that was seen."""

    p50: float
    p99: float
    max: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Self:
        """Summarise times, of which there must be one at least."""
        ordered = sorted(seconds)
        return cls(
            p50=_milliseconds(ordered, 0.50), p99=_milliseconds(ordered, 0.99), max=_milliseconds(ordered, 1)
        )


def _milliseconds(ordered: Sequence[float], share: float) -> float:
    rank = math.ceil(len(ordered) * share)
    return round(ordered[rank - 1] * 1_000, 1)
