"""A stopped partition is retried soon at first, and less often while its cause is not fixed."""

from ingest.batch import Partition
from ingest.worker.assignment import FIRST_BACKOFF_SECONDS, MAX_BACKOFF_SECONDS, PartitionBackoff

PARTITION, OTHER = Partition("activity", 0), Partition("activity", 1)


def _wait(backoff: PartitionBackoff, stopped_at: float) -> float:
    """Stop the partition, and return the seconds until its wait is over."""
    backoff.add(PARTITION, stopped_at)
    now = stopped_at
    while PARTITION not in backoff.pop_expired(now):
        now += 1
    return now - stopped_at


def test_waits_double_up_to_the_maximum() -> None:
    backoff = PartitionBackoff()
    waits = [_wait(backoff, stopped_at=1_000.0 * number) for number in range(6)]
    assert waits == [FIRST_BACKOFF_SECONDS, 10, 20, 40, MAX_BACKOFF_SECONDS, MAX_BACKOFF_SECONDS]


def test_a_partition_that_continued_starts_with_the_first_wait() -> None:
    backoff = PartitionBackoff()
    _wait(backoff, stopped_at=0)
    _wait(backoff, stopped_at=100)
    backoff.reset(PARTITION)
    assert _wait(backoff, stopped_at=200) == FIRST_BACKOFF_SECONDS


def test_each_partition_has_its_own_wait_and_expires_once() -> None:
    backoff = PartitionBackoff()
    backoff.add(PARTITION, 0)
    backoff.add(OTHER, 2)
    assert backoff.pop_expired(FIRST_BACKOFF_SECONDS) == [PARTITION]
    assert backoff.pop_expired(FIRST_BACKOFF_SECONDS + 2) == [OTHER]
    assert backoff.pop_expired(1_000) == []


def test_a_new_assignment_clears_the_waits() -> None:
    backoff = PartitionBackoff()
    backoff.add(PARTITION, 0)
    backoff.clear()
    assert backoff.pop_expired(1_000) == []
