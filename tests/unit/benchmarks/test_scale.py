"""The pure parts of the scale benchmark: its points, and what turns cost."""

import pytest

from benchmarks.scale.costs import Cost, growth
from benchmarks.scale.points import Point, points
from benchmarks.scale.turn import Turn

EVENTS = 1_000
WORKSPACES = [point for point in points(EVENTS) if point.dimension == "workspaces"]


def turn(*, worker: float, redis: float = 0.0, peak: float = 100.0) -> Turn:
    """Make a turn at half of the events, the rest being counted before the first look."""
    return Turn(
        events=EVENTS // 2,
        seconds=1.0,
        worker_cpu_seconds=worker,
        redis_cpu_seconds=redis,
        script_seconds=0.0,
        additions=2 * EVENTS,
        worker_peak_megabytes=peak,
        redis_megabytes=1.0,
    )


def test_only_one_dimension_grows_at_a_time() -> None:
    for dimension in ("workspaces", "users", "partitions"):
        grown = [point for point in points(EVENTS) if point.dimension == dimension]
        sizes = {
            "workspaces": {point.shape.workspaces for point in grown},
            "users": {point.shape.users for point in grown},
            "partitions": {point.partitions for point in grown},
        }
        assert sizes.pop(dimension) == {point.size for point in grown}
        assert all(len(found) == 1 for found in sizes.values())
        assert {(point.shape.events, point.shape.days) for point in grown} == {(EVENTS, 1)}


def test_each_point_has_a_topic_of_its_own() -> None:
    topics = [point.topic for point in points(EVENTS)]
    assert len(set(topics)) == len(topics)


@pytest.mark.parametrize(("users", "seen"), [(1, 1), (10, 10), (10_000, 952)])
def test_not_all_users_come_if_there_are_few_events(users: int, seen: int) -> None:
    (point,) = (each for each in points(EVENTS) if each.topic == "users-10")
    shape = type(point.shape)(events=EVENTS, users=users)
    assert Point(dimension="users", size=users, shape=shape).users_seen == seen


def test_a_cost_is_that_of_the_middle_turn() -> None:
    turns = [
        turn(worker=worker, redis=redis) for worker, redis in ((0.002, 0.009), (0.001, 0.001), (0.5, 0.002))
    ]
    cost = Cost.of(WORKSPACES[0], turns)
    assert (cost.worker_microseconds, cost.redis_microseconds) == (4.0, 4.0)
    assert (cost.events_per_cpu_second, cost.additions) == (250_000, 2.0)


def test_memory_is_that_of_the_worst_turn() -> None:
    turns = [turn(worker=0.1, peak=peak) for peak in (90.0, 120.0, 80.0)]
    assert Cost.of(WORKSPACES[0], turns).worker_peak_megabytes == 120.0


def test_growth_is_beside_the_smallest_point_of_the_dimension() -> None:
    others = [point for point in points(EVENTS) if point.dimension == "partitions"]
    seen = [Cost.of(point, [turn(worker=0.01 * (1 + number))]) for number, point in enumerate(WORKSPACES)]
    seen += [Cost.of(point, [turn(worker=0.5)]) for point in others]
    assert growth(seen) == {
        "workspaces-1": 1.0,
        "workspaces-100": 2.0,
        "workspaces-10000": 3.0,
        "partitions-1": 1.0,
        "partitions-4": 1.0,
        "partitions-32": 1.0,
    }
