"""A stopped partition is tried again soon, and ever more rarely while nobody mends it."""

from ingest.batch import Partition
from ingest.stops import FIRST_SECONDS, LONGEST_SECONDS, Stops

PARTITION, OTHER = Partition("activity", 0), Partition("activity", 1)


def _wait(stops: Stops, stopped_at: float) -> float:
    """Stop the partition, and look each second when it is due."""
    stops.add(PARTITION, stopped_at)
    now = stopped_at
    while PARTITION not in stops.due(now):
        now += 1
    return now - stopped_at


def test_waits_double_up_to_the_longest() -> None:
    stops = Stops()
    waits = [_wait(stops, stopped_at=1_000.0 * number) for number in range(6)]
    assert waits == [FIRST_SECONDS, 10, 20, 40, LONGEST_SECONDS, LONGEST_SECONDS]


def test_a_partition_that_went_on_begins_anew() -> None:
    stops = Stops()
    _wait(stops, stopped_at=0)
    _wait(stops, stopped_at=100)
    stops.forget(PARTITION)
    assert _wait(stops, stopped_at=200) == FIRST_SECONDS


def test_each_partition_waits_for_itself_and_is_due_once() -> None:
    stops = Stops()
    stops.add(PARTITION, 0)
    stops.add(OTHER, 2)
    assert stops.due(FIRST_SECONDS) == [PARTITION]
    assert stops.due(FIRST_SECONDS + 2) == [OTHER]
    assert stops.due(1_000) == []


def test_nothing_is_due_of_partitions_that_others_own_now() -> None:
    stops = Stops()
    stops.add(PARTITION, 0)
    stops.clear()
    assert stops.due(1_000) == []
