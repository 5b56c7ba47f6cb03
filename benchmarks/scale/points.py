"""The points that are measured: backlogs of one length, in which one dimension at a time grows. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from benchmarks.backlog import Shape
from ingest.kafka.topics import PARTITIONS

Dimension = Literal["workspaces", "users", "partitions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A backlog of a single day; `size` is that of the dimension which grows."""

    dimension: Dimension
    size: int
    shape: Shape
    partitions: int = PARTITIONS

    @property
    def topic(self) -> str:
        return f"{self.dimension}-{self.size}"

    @property
    def users_seen(self) -> int:
        """How many of the users come on that day, in the mean: each event is of any of them."""
        return round(self.shape.users * (1 - (1 - 1 / self.shape.users) ** self.shape.events))


def points(events: int) -> Sequence[Point]:
    """Return the points, the smallest of each dimension first."""
    return [
        *(_point("workspaces", size, events=events, workspaces=size) for size in (1, 100, 10_000)),
        *(
            _point("users", size, events=events, users=size, workspaces=10)
            for size in (10, 10_000, 1_000_000)
        ),
        *(_point("partitions", size, events=events, partitions=size) for size in (1, 4, 32)),
    ]


def _point(
    dimension: Dimension,
    size: int,
    *,
    events: int,
    workspaces: int = 100,
    users: int = 10_000,
    partitions: int = PARTITIONS,
) -> Point:
    shape = Shape(events=events, workspaces=workspaces, users=users, days=1)
    return Point(dimension=dimension, size=size, shape=shape, partitions=partitions)
