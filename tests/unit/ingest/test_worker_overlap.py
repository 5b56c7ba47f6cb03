"""While Redis counts a batch the next is read and sorted, and no more: batches get in one after the other."""

import asyncio

import pytest

from tests.support.pipeline import Pipeline, event, no_event
from tests.support.steps import away
from tests.support.virtual_time import wait_until

MANY = [event(str(number)) for number in range(5)]


def held() -> tuple[Pipeline, asyncio.Event]:
    """Return a pipeline that polls one record at a time, whose first batch gets in once the event is set."""
    pipeline, release = Pipeline(poll_records=1), asyncio.Event()
    pipeline.steps.plan("apply", release.wait)
    pipeline.log.append(pipeline.partitions[0], *MANY)
    return pipeline, release


async def until_held(pipeline: Pipeline) -> None:
    await wait_until(lambda: pipeline.steps.taken.count("apply") == 1, message="a batch was under way")


def after_first_batch(pipeline: Pipeline) -> list[str]:
    """Return the steps from the one on that hands over the first batch."""
    return pipeline.steps.taken[pipeline.steps.taken.index("apply") :]


async def test_the_next_batch_is_read_meanwhile() -> None:
    pipeline, release = held()
    async with pipeline.worker():
        await until_held(pipeline)
        await wait_until(lambda: "poll done" in after_first_batch(pipeline), message="it read on")
        assert pipeline.users() == set()
        release.set()
        await pipeline.until_caught_up()
    assert pipeline.users() == {"0", "1", "2", "3", "4"}


async def test_only_one_batch_is_under_way() -> None:
    pipeline, release = held()
    async with pipeline.worker():
        await until_held(pipeline)
        await asyncio.sleep(60)  # of virtual time
        assert pipeline.steps.taken.count("apply") == 1
        release.set()
        await pipeline.until_caught_up()
    assert pipeline.stats.rollbacks == pipeline.stats.refused == 0


async def test_the_letters_of_a_batch_wait_for_no_other() -> None:
    """They go out before the checkpoint passes them, whatever is under way."""
    pipeline, release = Pipeline(poll_records=1), asyncio.Event()
    pipeline.steps.plan("apply", release.wait)
    pipeline.log.append(pipeline.partitions[0], event("alice"), no_event(b"1"))
    async with pipeline.worker():
        await wait_until(lambda: len(pipeline.dead_letters.letters) == 1, message="the letter was out")
        assert not pipeline.is_caught_up()
        release.set()
        await pipeline.until_caught_up()


async def test_what_was_read_meanwhile_is_read_again_where_the_batch_did_not_get_in() -> None:
    pipeline, release = held()
    async with pipeline.worker():
        await until_held(pipeline)
        await asyncio.sleep(1)  # of virtual time: the next is in hand
        pipeline.stored.topic_id = None  # a Redis that lost everything
        pipeline.stored.checkpoints.clear()
        release.set()
        await pipeline.until_caught_up()
    assert pipeline.users() == {"0", "1", "2", "3", "4"}
    assert pipeline.stats.rollbacks == 1


async def test_a_batch_whose_partition_went_to_another_worker_is_let_be() -> None:
    pipeline, release = held()
    async with pipeline.worker():
        await until_held(pipeline)
        async with pipeline.worker():  # both start over from the checkpoints
            release.set()
            await pipeline.until_caught_up()
    assert pipeline.users() == {"0", "1", "2", "3", "4"}


@pytest.mark.parametrize("tries", [1, 5])
async def test_a_batch_under_way_is_tried_again_before_the_next(tries: int) -> None:
    pipeline = Pipeline(poll_records=1)
    pipeline.log.append(pipeline.partitions[0], *MANY)
    pipeline.steps.plan("apply done", *[away] * tries)
    async with pipeline.worker():
        await pipeline.until_caught_up()
    assert pipeline.users() == {"0", "1", "2", "3", "4"}
    assert pipeline.stats.refused == pipeline.stats.rollbacks == 0


async def test_a_stop_waits_for_the_batch_under_way() -> None:
    pipeline, release = held()
    worker = await pipeline.start_worker()
    await until_held(pipeline)
    worker.stopping.set()
    asyncio.get_running_loop().call_later(1, release.set)
    await worker.close_within()
    assert pipeline.users() >= {"0"}
