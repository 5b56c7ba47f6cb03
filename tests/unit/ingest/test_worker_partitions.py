"""Partitions whose log grows in odd ways: they are added, or lose their end and get another one."""

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
