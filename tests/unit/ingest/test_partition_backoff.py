"""A stopped partition is tried again soon, and ever more rarely while nobody mends it."""

from ingest.batch import Partition
from ingest.worker.partition_backoff import FIRST_SECONDS, LONGEST_SECONDS, PartitionBackoff

PARTITION, OTHER = Partition("activity", 0), Partition("activity", 1)


def _wait(backoff: PartitionBackoff, stopped_at: float) -> float:
    """Stop the partition, and look each second when it is due."""
    backoff.add(PARTITION, stopped_at)
    now = stopped_at
    while PARTITION not in backoff.due(now):
        now += 1
    return now - stopped_at


def test_waits_double_up_to_the_longest() -> None:
    backoff = PartitionBackoff()
    waits = [_wait(backoff, stopped_at=1_000.0 * number) for number in range(6)]
    assert waits == [FIRST_SECONDS, 10, 20, 40, LONGEST_SECONDS, LONGEST_SECONDS]


def test_a_partition_that_went_on_begins_anew() -> None:
    backoff = PartitionBackoff()
    _wait(backoff, stopped_at=0)
    _wait(backoff, stopped_at=100)
    backoff.forget(PARTITION)
    assert _wait(backoff, stopped_at=200) == FIRST_SECONDS


def test_each_partition_waits_for_itself_and_is_due_once() -> None:
    backoff = PartitionBackoff()
    backoff.add(PARTITION, 0)
    backoff.add(OTHER, 2)
    assert backoff.due(FIRST_SECONDS) == [PARTITION]
    assert backoff.due(FIRST_SECONDS + 2) == [OTHER]
    assert backoff.due(1_000) == []


def test_nothing_is_due_of_partitions_that_others_own_now() -> None:
    backoff = PartitionBackoff()
    backoff.add(PARTITION, 0)
    backoff.clear()
    assert backoff.due(1_000) == []
