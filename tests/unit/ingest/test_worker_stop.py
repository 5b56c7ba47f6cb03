"""The stop: heard at any time, and nothing is lost by it."""

import asyncio
from datetime import timedelta

import pytest

from ingest.batch import Offset
from tests.support.pipeline import Pipeline, event, no_event, now
from tests.support.steps import away
from tests.support.virtual_time import wait_until


@pytest.mark.parametrize("step", ["checkpoints", "state", "publish", "apply", "poll"])
async def test_a_stop_is_heard_while_waiting(step: str) -> None:
    pipeline = Pipeline()
    pipeline.log.append(pipeline.partitions[0], event("alice"), no_event())
    pipeline.steps.plan(step, *[away] * 10_000)
    worker = await pipeline.start_worker()
    await wait_until(lambda: pipeline.steps.taken.count(step) > 5)
    await worker.close_within()
    assert pipeline.stored.checkpoints.get(pipeline.partitions[0], 0) == 0


@pytest.mark.parametrize("step", ["poll", "apply", "publish", "state", "commit"])
async def test_a_stop_is_heard_while_a_server_does_not_answer(step: str) -> None:
    pipeline = Pipeline()
    pipeline.log.append(pipeline.partitions[0], event("alice"), no_event())
    pipeline.steps.plan(step, asyncio.Event().wait)
    worker = await pipeline.start_worker()
    await wait_until(lambda: step in pipeline.steps.taken)
    asked_at = now()
    await worker.close_within()
    assert now() - asked_at < timedelta(seconds=10)


async def test_a_stopped_worker_commits_its_offsets_to_kafka_last() -> None:
    pipeline = Pipeline()
    (partition,) = pipeline.partitions
    pipeline.log.append(partition, event("alice"))
    async with pipeline.worker():
        await wait_until(lambda: pipeline.users() == {"alice"})
    assert pipeline.log.committed == {partition: 1}
    assert pipeline.steps.taken[-2:] == ["commit", "commit done"]


async def test_offsets_committed_to_kafka_never_exceed_the_checkpoints() -> None:
    pipeline = Pipeline(poll_records=1)
    (partition,) = pipeline.partitions
    committed: list[bool] = []

    def compare() -> None:
        stored = pipeline.log.committed.get(partition, Offset(0))
        committed.append(stored <= pipeline.stored.checkpoints[partition])

    pipeline.steps.plan("commit done", *[compare] * 100)
    pipeline.log.append(partition, *[event(str(number)) for number in range(100)])
    async with pipeline.worker():
        await pipeline.until_caught_up()
    assert all(committed)
    assert committed
