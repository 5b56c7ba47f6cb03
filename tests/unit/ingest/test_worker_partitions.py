"""Partitions that are added: read from their beginning, and waited for by as-of."""

from tests.pipeline import Pipeline, event
from tests.virtual_time import wait_until


async def test_as_of_waits_for_an_added_partition_before_anyone_owns_it() -> None:
    pipeline = Pipeline()
    async with pipeline.worker():
        await pipeline.until_caught_up()
        added = pipeline.log.add_partition()
        pipeline.log.append(added, event("alice"))
        await wait_until(lambda: added in pipeline.projection.stored.checkpoints)
        assert added not in pipeline.projection.stored.as_of
        pipeline.log.rebalance()
        await wait_until(lambda: added in pipeline.projection.stored.as_of)
    assert pipeline.users() == {"alice"}
