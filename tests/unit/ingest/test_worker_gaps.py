"""Lost or damaged records are reported and recorded, never skipped silently."""

from datetime import timedelta

import pytest

from ingest.errors import PartitionStoppedError
from ingest.worker.assignment import FIRST_BACKOFF_SECONDS
from tests.support.pipeline import Pipeline, event, now
from tests.support.steps import away
from tests.support.virtual_time import wait_until


async def test_records_that_retention_took_uncounted_are_a_gap() -> None:
    pipeline = Pipeline()
    (partition,) = pipeline.partitions
    async with pipeline.worker():
        await pipeline.until_caught_up()
    pipeline.log.append(partition, event("alice"), event("bob"))
    pipeline.log.purge(partition, before=1)
    async with pipeline.worker():
        await pipeline.until_caught_up()
    assert pipeline.users() == {"bob"}
    (gap,) = pipeline.stored.gaps
    assert (gap.cause, gap.checkpoint, gap.extent.beginning, gap.extent.end) == ("retention", 0, 1, 2)


async def test_retention_that_overtakes_a_running_worker_is_a_gap() -> None:
    pipeline = Pipeline()
    (partition,) = pipeline.partitions
    async with pipeline.worker():
        await pipeline.until_caught_up()
        pipeline.log.append(partition, event("alice"), event("bob"))
        pipeline.log.purge(partition, before=1)
        await pipeline.until_caught_up()
    assert [gap.cause for gap in pipeline.stored.gaps] == ["retention"]
    assert pipeline.users() == {"bob"}


async def test_what_retention_took_after_it_was_counted_is_no_gap() -> None:
    pipeline = Pipeline()
    (partition,) = pipeline.partitions
    pipeline.log.append(partition, event("alice"))
    async with pipeline.worker():
        await pipeline.until_caught_up()
        pipeline.log.purge(partition, before=1)
        pipeline.log.append(partition, event("bob"))
        await pipeline.until_caught_up()
    assert not pipeline.stats.gaps


async def test_a_log_shorter_than_what_was_counted_is_counted_again() -> None:
    pipeline = Pipeline()
    (partition,) = pipeline.partitions
    pipeline.log.append(partition, event("alice"), event("bob"), event("carol"))
    async with pipeline.worker():
        await pipeline.until_caught_up()
    pipeline.log.truncate(partition, end=1)
    pipeline.log.append(partition, event("dave"))
    async with pipeline.worker():
        await pipeline.until_caught_up()
    assert "dave" in pipeline.users()
    (gap,) = pipeline.stored.gaps
    assert (gap.cause, gap.checkpoint, gap.extent.end) == ("truncated", 3, 2)


async def test_a_topic_recreated_under_a_worker_is_counted_from_its_beginning() -> None:
    """Even where the new log is as long as the old one was."""
    pipeline = Pipeline(partitions=2)
    for partition in pipeline.partitions:
        pipeline.log.append(partition, event("alice"))
    async with pipeline.worker():
        await pipeline.until_caught_up()
        pipeline.log.recreate("second")
        for partition in pipeline.partitions:
            pipeline.log.append(partition, event(f"new-{partition.number}"))
        await wait_until(lambda: pipeline.stored.topic_id == "second")
        await pipeline.until_caught_up()
    assert pipeline.users() == {"alice", "new-0", "new-1"}
    assert [gap.cause for gap in pipeline.stored.gaps] == ["recreated", "recreated"]


async def test_damaged_records_stop_their_own_partition_only() -> None:
    pipeline = Pipeline(partitions=2)
    first, second = pipeline.partitions
    pipeline.log.append(first, event("alice"), event("bob"))
    pipeline.log.append(second, event("carol"))
    pipeline.log.damage(first, offset=1)
    async with pipeline.worker():
        await wait_until(lambda: pipeline.lags()[second] == 0)
        pipeline.log.append(second, event("dave"))
        await wait_until(lambda: pipeline.users() == {"alice", "carol", "dave"})
        assert pipeline.stored.checkpoints[first] == 1
        pipeline.log.repair()
        await pipeline.until_caught_up()
    assert pipeline.users() == {"alice", "bob", "carol", "dave"}


@pytest.mark.parametrize("polls", range(8))
async def test_a_log_that_goes_away_while_damage_is_looked_for_is_looked_at_again(polls: int) -> None:
    pipeline = Pipeline(partitions=2)
    first, second = pipeline.partitions
    pipeline.log.append(first, event("alice"))
    pipeline.log.append(second, event("bob"), event("carol"))
    pipeline.log.damage(second, offset=1)
    pipeline.steps.plan("poll", *[lambda: None] * polls, away)
    async with pipeline.worker():
        await wait_until(lambda: pipeline.users() == {"alice", "bob"})
        pipeline.log.repair()
        await pipeline.until_caught_up()
    assert pipeline.users() == {"alice", "bob", "carol"}


async def test_a_rejected_counter_stops_its_partition_until_it_is_repaired() -> None:
    pipeline = Pipeline(partitions=2)
    first, second = pipeline.partitions

    def refuse() -> None:
        raise PartitionStoppedError(first, "a counter of the wrong type")

    async with pipeline.worker():
        await pipeline.until_caught_up()
        pipeline.log.append(first, event("alice"))
        pipeline.steps.plan("apply", refuse)
        await wait_until(lambda: pipeline.stats.records == 1)
        stopped_at = now()
        pipeline.log.append(second, event("bob"))
        await wait_until(lambda: pipeline.users() == {"bob"})
        assert pipeline.stored.checkpoints[first] == 0
        await pipeline.until_caught_up()
        assert now() - stopped_at > timedelta(seconds=FIRST_BACKOFF_SECONDS - 1)
    assert pipeline.users() == {"alice", "bob"}
