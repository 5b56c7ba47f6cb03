"""Partitions whose log grows in odd ways: they are added, or lose their end and get another one."""

import asyncio
from datetime import timedelta

from ingest.batch import Offset
from tests.support.pipeline import Pipeline, event
from tests.support.virtual_time import wait_until


async def test_as_of_waits_for_an_added_partition_before_anyone_owns_it() -> None:
    pipeline = Pipeline()
    async with pipeline.worker():
        await pipeline.until_caught_up()
        added = pipeline.log.add_partition()
        pipeline.log.append(added, event("alice"))
        await wait_until(lambda: added in pipeline.stored.checkpoints)
        assert added not in pipeline.stored.as_of
        pipeline.log.rebalance()
        await wait_until(lambda: added in pipeline.stored.as_of)
    assert pipeline.users() == {"alice"}


async def test_a_log_that_was_shorter_is_counted_again_however_long_it_is_by_now() -> None:
    pipeline = Pipeline()
    (partition,) = pipeline.partitions
    pipeline.log.append(partition, event("alice"), event("bob"), event("carol"))

    def grow() -> None:
        pipeline.log.append(partition, event("dave"), event("erin"), event("frank"))

    async with pipeline.worker():
        await pipeline.until_caught_up()
        pipeline.log.truncate(partition, end=1)
        pipeline.steps.plan("checkpoints", grow)
        await pipeline.until_caught_up()
    assert pipeline.users() >= {"alice", "dave", "erin", "frank"}
    (gap,) = pipeline.stored.gaps
    assert (gap.cause, gap.checkpoint, gap.extent.end) == ("truncated", Offset(3), Offset(4))


async def test_the_others_are_counted_while_one_has_no_leader() -> None:
    pipeline = Pipeline(partitions=2)
    first, second = pipeline.partitions
    async with pipeline.worker():
        await pipeline.until_caught_up()
        pipeline.log.lose_leader(second)
        pipeline.log.append(second, event("bob"))
        await wait_until(lambda: pipeline.stats.state.owned[second].unavailable is not None)
        as_of = pipeline.stored.as_of[second]
        pipeline.log.append(first, event("alice"))
        await wait_until(lambda: pipeline.users() == {"alice"})
        await asyncio.sleep(60)
        assert pipeline.stored.as_of[first] > pipeline.stored.as_of[second]
        # One more sample may have been on its way when the leader was lost.
        assert pipeline.stored.as_of[second] - as_of <= timedelta(seconds=2)
        pipeline.log.elect_leader(second)
        await pipeline.until_caught_up()
    assert pipeline.users() == {"alice", "bob"}


async def test_the_others_find_their_places_while_one_has_no_leader() -> None:
    pipeline = Pipeline(partitions=2)
    first, second = pipeline.partitions
    async with pipeline.worker():
        await pipeline.until_caught_up()
    pipeline.log.committed.clear()
    pipeline.log.append(first, event("alice"))
    pipeline.log.append(second, event("bob"))
    pipeline.log.lose_leader(second)
    async with pipeline.worker():
        await wait_until(lambda: pipeline.users() == {"alice"})
        asked = pipeline.steps.taken.count("checkpoints")
        await asyncio.sleep(60)
        assert pipeline.steps.taken.count("checkpoints") == asked
        pipeline.log.elect_leader(second)
        await pipeline.until_caught_up()
    assert pipeline.users() == {"alice", "bob"}
    assert not pipeline.stored.gaps


async def test_counting_begins_once_every_partition_was_seen() -> None:
    """Readers take as-of from the partitions that have a checkpoint: it must not pass another one."""
    pipeline = Pipeline(partitions=2)
    first, second = pipeline.partitions
    pipeline.log.append(first, event("alice"))
    pipeline.log.lose_leader(second)
    async with pipeline.worker():
        await wait_until(lambda: pipeline.stats.state.waiting_for is not None)
        assert str(second) in str(pipeline.stats.state.waiting_for)
        assert pipeline.stored.checkpoints == {}
        pipeline.log.elect_leader(second)
        await pipeline.until_caught_up()
    assert pipeline.users() == {"alice"}


async def test_as_of_waits_for_an_added_partition_that_has_no_leader_yet() -> None:
    pipeline = Pipeline()
    (first,) = pipeline.partitions
    async with pipeline.worker():
        await pipeline.until_caught_up()
        added = pipeline.log.add_partition()
        pipeline.log.lose_leader(added)
        await asyncio.sleep(5)
        as_of = pipeline.stored.as_of[first]
        pipeline.log.append(first, event("alice"))
        await wait_until(lambda: pipeline.users() == {"alice"})
        await asyncio.sleep(60)
        assert pipeline.stored.as_of == {first: as_of}
        pipeline.log.elect_leader(added)
        pipeline.log.rebalance()
        await wait_until(lambda: added in pipeline.stored.as_of)
