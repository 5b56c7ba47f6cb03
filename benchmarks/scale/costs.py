"""The cost of an event at a point, of all the turns taken there. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final, Self

from benchmarks.scale.points import Point
from benchmarks.scale.turn import Turn

MICRO: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """The turns at a point and their medians: CPU time an event, in microseconds, of the worker and of Redis.

    `additions` is how often an event, in the mean, added to a counter: events that share a batch and a
    counter add to it once. It separates more work from work that costs more.
    """

    point: Point
    users_seen: int
    turns: Sequence[Turn]
    events_per_cpu_second: float
    worker_microseconds: float
    redis_microseconds: float
    additions: float
    worker_peak_megabytes: float

    @classmethod
    def of(cls, point: Point, turns: Sequence[Turn]) -> Self:
        """Sum up the turns, of which there must be one at least."""
        worker = median(turn.worker_cpu_seconds / turn.events for turn in turns)
        redis = median(turn.redis_cpu_seconds / turn.events for turn in turns)
        return cls(
            point=point,
            users_seen=point.users_seen,
            turns=turns,
            events_per_cpu_second=round(1 / worker),
            worker_microseconds=round(worker * MICRO, 2),
            redis_microseconds=round(redis * MICRO, 2),
            additions=round(median(turn.additions for turn in turns) / point.shape.events, 3),
            worker_peak_megabytes=max(turn.worker_peak_megabytes for turn in turns),
        )

    @property
    def microseconds(self) -> float:
        """What an event costs the two together."""
        return self.worker_microseconds + self.redis_microseconds


def growth(costs: Sequence[Cost]) -> dict[str, float]:
    """Return what an event costs at each point, by topic, as a multiple of the smallest of its dimension."""
    smallest: dict[str, Cost] = {}
    for cost in costs:
        smallest.setdefault(cost.point.dimension, cost)
    return {
        cost.point.topic: round(cost.microseconds / smallest[cost.point.dimension].microseconds, 2)
        for cost in costs
    }
