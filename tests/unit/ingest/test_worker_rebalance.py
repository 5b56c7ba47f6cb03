"""Partitions that change hands: nothing is lost or held up, whatever the group does meanwhile."""

import asyncio
from collections.abc import Callable

import pytest

from ingest.batch import Batch, Offset
from ingest.events.event import decode
from tests.support.fakes_projection import FakeProjection
from tests.support.pipeline import Pipeline, event
from tests.support.virtual_time import wait_until

MOMENTS = ["checkpoints", "checkpoints done", "state", "state done"]


async def test_records_polled_across_a_rebalance_are_read_again() -> None:
    """A rebalance sets Kafka's own position, and records read from there are dropped."""
    pipeline = Pipeline()
    async with pipeline.worker():
        await pipeline.until_caught_up()
        pipeline.log.append(pipeline.partitions[0], event("alice"), event("bob"))
        pipeline.steps.plan("poll", long_rebalance(pipeline))
        await pipeline.until_caught_up()
    assert pipeline.users() == {"alice", "bob"}


@pytest.mark.parametrize("committed", [0, 1, 2, 3])
async def test_kafkas_committed_offset_is_never_read_from(committed: int) -> None:
    pipeline = Pipeline()
    (partition,) = pipeline.partitions
    pipeline.log.append(partition, event("alice"), event("bob"), event("carol"))
    pipeline.log.committed[partition] = Offset(committed)
    async with pipeline.worker():
        await pipeline.until_caught_up()
    assert pipeline.users() == {"alice", "bob", "carol"}


@pytest.mark.parametrize("moment", MOMENTS)
async def test_progress_of_another_worker_is_not_a_gap(moment: str) -> None:
    """Checkpoint and log are not read at one instant: what another worker does in between is no harm."""
    pipeline = Pipeline()
    await FakeProjection(pipeline.stored).begin(pipeline.log.state())
    pipeline.steps.plan(moment, another_worker_counting(pipeline, "alice"))
    async with pipeline.worker():
        await pipeline.until_caught_up()
    assert pipeline.users() == {"alice"}
    assert not pipeline.stats.gaps


async def test_a_late_batch_of_a_worker_that_was_put_out_is_refused() -> None:
    """A worker that slept through a rebalance wakes with records in hand that another has counted."""
    pipeline = Pipeline()
    (partition,) = pipeline.partitions
    async with pipeline.worker():
        await pipeline.until_caught_up()
        pipeline.log.append(partition, event("alice"))
        pipeline.steps.plan("apply", another_worker_counting(pipeline, "bob"))
        await wait_until(lambda: pipeline.stats.refused == 1)
        await pipeline.until_caught_up()
    assert pipeline.users() == {"alice", "bob"}


async def test_partitions_are_shared_and_taken_over() -> None:
    pipeline = Pipeline(partitions=4)
    async with pipeline.worker():
        async with pipeline.worker():
            await pipeline.until_caught_up()
            for number, partition in enumerate(pipeline.partitions):
                pipeline.log.append(partition, event(f"together-{number}"))
            await pipeline.until_caught_up()
        for number, partition in enumerate(pipeline.partitions):
            pipeline.log.append(partition, event(f"alone-{number}"))
        await pipeline.until_caught_up()
    assert len(pipeline.users()) == 8


async def test_a_worker_without_partitions_waits_for_some() -> None:
    pipeline = Pipeline(partitions=1)
    first = await pipeline.start_worker()
    async with pipeline.worker():
        await pipeline.until_caught_up()
        await first.close_within()
        pipeline.log.append(pipeline.partitions[0], event("alice"))
        await pipeline.until_caught_up()
    assert pipeline.users() == {"alice"}


def long_rebalance(pipeline: Pipeline) -> Callable[[], object]:
    """Reassign the partitions in a poll that lasts until after the next refresh."""

    async def rebalance() -> None:
        pipeline.log.rebalance()
        await asyncio.sleep(2)

    return rebalance


def another_worker_counting(pipeline: Pipeline, user_id: str) -> Callable[[], object]:
    """Have another worker count what is not counted yet, and a new event besides."""
    (partition,) = pipeline.partitions

    def count() -> None:
        pipeline.log.append(partition, event(user_id))
        start = pipeline.stored.checkpoints[partition]
        end = pipeline.log.extent(partition).end
        records, _ = pipeline.log.read(partition, start, most=10)
        values = [record.value for record in records if record.value is not None]
        events = [decode(value) for value in values]
        pipeline.stored.count(Batch(partition=partition, start=start, end=end, events=events))

    return count
