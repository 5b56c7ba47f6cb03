"""If a worker ends or is suspended between any two steps, another one continues and nothing is missing."""

from collections.abc import Callable

import pytest

from ingest.batch import Offset
from tests.support.pipeline import Pipeline, RunningWorker, event, no_event
from tests.support.steps import Steps, away

Scenario = Callable[[Pipeline], None]


def fill(pipeline: Pipeline) -> None:
    first, second = pipeline.partitions
    pipeline.log.append(first, event("alice"), no_event(b"1"), event("bob"), event("carol"), None)
    pipeline.log.append(second, no_event(b"2"), no_event(b"3"), None, event("dave"))


def first_start(pipeline: Pipeline) -> None:
    fill(pipeline)


def lost_newest_state(pipeline: Pipeline) -> None:
    fill(pipeline)
    before = pipeline.stored.snapshot()
    pipeline.steps.plan("apply", lambda: None, lambda: None, lambda: pipeline.stored.restore(before))


def lost_everything(pipeline: Pipeline) -> None:
    fill(pipeline)
    empty = pipeline.stored.snapshot()
    for partition in pipeline.partitions:
        pipeline.stored.checkpoints[partition] = Offset(0)
    pipeline.steps.plan("apply done", lambda: None, lambda: pipeline.stored.restore(empty))


def recreated_topic(pipeline: Pipeline) -> None:
    fill(pipeline)
    pipeline.stored.topic_id = "an older one"
    pipeline.stored.checkpoints = dict.fromkeys(pipeline.partitions, Offset(3))


def truncated_log(pipeline: Pipeline) -> None:
    fill(pipeline)
    pipeline.stored.topic_id = pipeline.log.topic_id
    pipeline.stored.checkpoints = dict.fromkeys(pipeline.partitions, Offset(90))


def unsteady_redis(pipeline: Pipeline) -> None:
    fill(pipeline)
    for name in ("checkpoints", "begin done", "apply", "apply done", "publish done"):
        pipeline.steps.plan(name, lambda: None, away)


SCENARIOS = [first_start, lost_newest_state, lost_everything, recreated_topic, truncated_log, unsteady_redis]
COUNT_ALL = {"alice", "bob", "carol", "dave"}


def world(scenario: Scenario, steps: Steps) -> Pipeline:
    pipeline = Pipeline(partitions=2, poll_records=2, steps=steps)
    scenario(pipeline)
    return pipeline


async def steps_of_a_clean_run(scenario: Scenario) -> list[str]:
    pipeline = world(scenario, Steps())
    async with pipeline.worker():
        await pipeline.until_caught_up()
        steps = list(pipeline.steps.taken)
    assert_complete(pipeline)
    return steps


async def held_at(scenario: Scenario, number: int) -> tuple[Pipeline, RunningWorker]:
    """Run a worker up to a step, and no further."""
    pipeline = world(scenario, Steps(hold_at=number))
    worker = await pipeline.start_worker()
    await pipeline.steps.held.wait()
    return pipeline, worker


def assert_complete(pipeline: Pipeline) -> None:
    assert pipeline.users() == COUNT_ALL
    assert {letter.record.value for letter in pipeline.dead_letters.letters} == {b"1", b"2", b"3"}
    assert not any(pipeline.lags().values())


@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_another_worker_continues_after_a_crash_at_any_step(scenario: Scenario) -> None:
    steps = await steps_of_a_clean_run(scenario)
    assert {"checkpoints", "state done", "poll", "publish", "apply", "apply done"} <= set(steps)
    for number in range(len(steps)):
        pipeline, worker = await held_at(scenario, number)
        await worker.die()
        async with pipeline.worker():
            await pipeline.until_caught_up()
        assert_complete(pipeline)


@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_a_suspended_worker_that_resumes_late_changes_nothing(scenario: Scenario) -> None:
    for number in range(len(await steps_of_a_clean_run(scenario))):
        pipeline, sleeper = await held_at(scenario, number)
        await sleeper.drop_out()
        async with pipeline.worker():
            await pipeline.until_caught_up()
            pipeline.steps.release()
            for partition in pipeline.partitions:
                pipeline.log.append(partition, event("bob"), event("alice"))
            await pipeline.until_caught_up()
            await sleeper.close_within()
            await pipeline.until_caught_up()
        assert_complete(pipeline)


@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_a_stop_at_any_step_leaves_a_valid_checkpoint(scenario: Scenario) -> None:
    for number in range(len(await steps_of_a_clean_run(scenario))):
        pipeline, worker = await held_at(scenario, number)
        worker.stopping.set()
        pipeline.steps.release()
        await worker.close_within()
        async with pipeline.worker():
            await pipeline.until_caught_up()
        assert_complete(pipeline)


async def test_letters_are_acknowledged_before_the_checkpoint_passes_them() -> None:
    """Whenever one looks: what the checkpoint has passed is an event, or has its letter."""
    for number in range(len(await steps_of_a_clean_run(first_start))):
        pipeline, worker = await held_at(first_start, number)
        letters = {(each.partition, each.record.offset) for each in pipeline.dead_letters.letters}
        for partition, checkpoint in pipeline.stored.checkpoints.items():
            records, _ = pipeline.log.read(partition, 0, most=10)
            passed = [record for record in records if record.offset < checkpoint]
            unfit = {(partition, record.offset) for record in passed if len(record.value or b"") == 1}
            assert unfit <= letters
        await worker.die()
