"""Partitions that change hands: nothing is lost, whatever the group does meanwhile."""

from tests.pipeline import Pipeline, event


async def test_records_polled_across_a_rebalance_are_read_again() -> None:
    """A rebalance sets Kafka's own position: what was read from there was read for nobody."""
    pipeline = Pipeline()
    (partition,) = pipeline.partitions
    async with pipeline.worker():
        await pipeline.until_caught_up()
        pipeline.log.committed[partition] = pipeline.projection.stored.checkpoints[partition]
        pipeline.log.append(partition, event("alice"), event("bob"))
        pipeline.steps.plan("poll", pipeline.log.rebalance)
        await pipeline.until_caught_up()
    assert pipeline.users() == {"alice", "bob"}
