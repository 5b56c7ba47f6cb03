"""The worker waits for unavailable servers, and detects and repairs a Redis that lost state."""

import pytest
from structlog.testing import capture_logs

from ingest.errors import OperatorError
from tests.support.pipeline import Pipeline, event, no_event
from tests.support.steps import away
from tests.support.virtual_time import wait_until


async def test_the_reply_to_a_batch_may_be_lost() -> None:
    pipeline = Pipeline()
    pipeline.steps.plan("apply done", away, away)
    pipeline.log.append(pipeline.partitions[0], event("alice"))
    async with pipeline.worker():
        await pipeline.until_caught_up()
    assert pipeline.users() == {"alice"}
    assert pipeline.stats.refused == pipeline.stats.rollbacks == 0


@pytest.mark.parametrize("step", ["checkpoints", "state", "begin", "publish", "apply", "commit", "position"])
async def test_a_server_that_is_away_for_a_while_is_waited_for(step: str) -> None:
    pipeline = Pipeline()
    pipeline.log.append(pipeline.partitions[0], event("alice"), no_event(b"1"), event("bob"))
    pipeline.steps.plan(step, *[away] * 30)
    async with pipeline.worker():
        await wait_until(lambda: pipeline.steps.taken.count(step) > 30, message="it was tried again")
        await pipeline.until_caught_up()
    assert pipeline.users() == {"alice", "bob"}
    assert [letter.record.value for letter in pipeline.dead_letters.letters] == [b"1"]


async def test_a_worker_that_waits_for_redis_keeps_polling_and_drops_nothing() -> None:
    """A member that does not poll is removed from the group; polling without a pause would drop records."""
    pipeline = Pipeline(partitions=2)
    first, second = pipeline.partitions
    async with pipeline.worker():
        await pipeline.until_caught_up()
        pipeline.log.append(first, event("alice"))
        pipeline.steps.plan("apply", *[away] * 20)
        await wait_until(lambda: pipeline.stats.waits > 0)
        pipeline.log.append(first, event("bob"))
        pipeline.log.append(second, event("carol"))
        polls = pipeline.steps.taken.count("poll")
        await wait_until(lambda: pipeline.steps.taken.count("poll") > polls + 10)
        assert pipeline.users() == set()
        await pipeline.until_caught_up()
    assert pipeline.users() == {"alice", "bob", "carol"}
    assert pipeline.stats.records == 3


async def test_a_log_that_is_away_is_waited_for() -> None:
    pipeline = Pipeline()
    async with pipeline.worker():
        await pipeline.until_caught_up()
        pipeline.log.append(pipeline.partitions[0], event("alice"))
        pipeline.steps.plan("poll done", *[away] * 5)  # with the records drained already
        await pipeline.until_caught_up()
    assert pipeline.users() == {"alice"}


async def test_a_rolled_back_redis_is_found_without_traffic_and_filled_again() -> None:
    pipeline = Pipeline()
    (partition,) = pipeline.partitions
    async with pipeline.worker():
        await pipeline.until_caught_up()
        before = pipeline.stored.snapshot()
        pipeline.log.append(partition, event("alice"), event("bob"))
        await pipeline.until_caught_up()
        pipeline.stored.restore(before)
        await wait_until(lambda: partition not in pipeline.stored.as_of, message="as-of was withdrawn")
        await pipeline.until_caught_up()
    assert pipeline.users() == {"alice", "bob"}
    assert pipeline.stats.rollbacks == 1


async def test_a_redis_that_lost_everything_is_filled_from_the_beginning() -> None:
    """From the log's beginning, not from the offsets committed to Kafka."""
    pipeline = Pipeline(partitions=2)
    empty = pipeline.stored.snapshot()
    for partition in pipeline.partitions:
        pipeline.log.append(partition, event(f"user-{partition.number}"))
    async with pipeline.worker():
        await pipeline.until_caught_up()
        await wait_until(lambda: set(pipeline.log.committed.values()) == {1})
        pipeline.stored.restore(empty)
        await wait_until(lambda: pipeline.stats.rollbacks > 0)
        await pipeline.until_caught_up()
    assert pipeline.users() == {"user-0", "user-1"}
    assert pipeline.stored.rolled_back_at is not None


@pytest.mark.parametrize("is_empty", [True, False])
@pytest.mark.parametrize("step", ["none", "record rollback"])
async def test_a_redis_that_lost_writes_while_no_worker_ran_is_found_at_the_start(
    step: str,
    is_empty: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    pipeline = Pipeline(partitions=2)
    first, _ = pipeline.partitions
    earlier = pipeline.stored.snapshot()
    async with pipeline.worker():
        await pipeline.until_caught_up()
        if not is_empty:
            earlier = pipeline.stored.snapshot()
        pipeline.log.append(first, event("alice"))
        await pipeline.until_caught_up()
    assert pipeline.log.committed[first] == 1
    pipeline.stored.restore(earlier)
    if step == "record rollback":
        pipeline.steps.plan(step, *[away] * 3)
    with capture_logs() as logs:
        async with pipeline.worker():
            await pipeline.until_caught_up()
    assert pipeline.users() == {"alice"}
    found = [line for line in logs if line["event"] == "Redis lost its newest state"]
    assert [(line["log_level"], line["partition"], line["was"]) for line in found] == [
        ("warning", str(first), 1)
    ]
    assert pipeline.stats.rollbacks == 1
    assert pipeline.stored.rolled_back_at is not None


async def test_a_start_that_cannot_read_what_was_committed_goes_without() -> None:
    pipeline = Pipeline()
    pipeline.log.append(pipeline.partitions[0], event("alice"))
    empty = pipeline.stored.snapshot()
    async with pipeline.worker():
        await pipeline.until_caught_up()
    pipeline.stored.restore(empty)
    pipeline.steps.plan("committed", *[away] * 9)
    async with pipeline.worker():
        await pipeline.until_caught_up()
    assert pipeline.users() == {"alice"}
    assert pipeline.stats.rollbacks == 0


async def test_a_start_after_a_clean_stop_finds_no_loss() -> None:
    pipeline = Pipeline(partitions=2)
    for partition in pipeline.partitions:
        pipeline.log.append(partition, event("alice"))
    for _ in range(2):
        async with pipeline.worker():
            await pipeline.until_caught_up()
    assert pipeline.stats.rollbacks == 0
    assert pipeline.stored.rolled_back_at is None


async def test_one_lost_checkpoint_starts_its_own_partition_over() -> None:
    pipeline = Pipeline(partitions=2)
    first = pipeline.partitions[0]
    pipeline.log.append(first, event("alice"))
    async with pipeline.worker():
        await pipeline.until_caught_up()
        del pipeline.stored.checkpoints[first]
        pipeline.stored.counters.clear()
        await wait_until(lambda: pipeline.users() == {"alice"})
        await pipeline.until_caught_up()
    assert pipeline.stats.rollbacks == 1


@pytest.mark.parametrize("step", ["rewind", "rewind done", "record rollback"])
async def test_a_rollback_is_counted_once_however_often_its_step_is_retried(step: str) -> None:
    pipeline = Pipeline()
    (partition,) = pipeline.partitions
    async with pipeline.worker():
        await pipeline.until_caught_up()
        before = pipeline.stored.snapshot()
        pipeline.log.append(partition, event("alice"))
        await pipeline.until_caught_up()
        pipeline.steps.plan(step, *[away] * 3)
        pipeline.stored.restore(before)
        with capture_logs() as logs:
            await wait_until(lambda: partition not in pipeline.stored.as_of, message="as-of was withdrawn")
            await pipeline.until_caught_up()
    assert pipeline.stats.rollbacks == 1
    assert [line["event"] for line in logs].count("Redis lost its newest state") == 1
    assert pipeline.stored.rolled_back_at is not None


@pytest.mark.parametrize("step", ["rewind", "rewind done"])
async def test_a_gap_is_counted_once_however_often_its_step_is_retried(step: str) -> None:
    pipeline = Pipeline(partitions=2)
    for partition in pipeline.partitions:
        pipeline.log.append(partition, event("alice"), event("bob"))
    async with pipeline.worker():
        await pipeline.until_caught_up()
    pipeline.steps.plan(step, *[away] * 3)
    for partition in pipeline.partitions:
        pipeline.log.truncate(partition, end=1)
    with capture_logs() as logs:
        async with pipeline.worker():
            await pipeline.until_caught_up()
    assert pipeline.stats.gaps == {"truncated": 2}
    assert [line["event"] for line in logs].count("gap") == 2


@pytest.mark.parametrize("step", ["restart", "restart done"])
async def test_a_recreated_topic_is_counted_once_however_often_its_step_is_retried(step: str) -> None:
    pipeline = Pipeline(partitions=2)
    async with pipeline.worker():
        await pipeline.until_caught_up()
    pipeline.steps.plan(step, *[away] * 3)
    pipeline.log.recreate("second")
    with capture_logs() as logs:
        async with pipeline.worker():
            await wait_until(lambda: pipeline.stored.topic_id == "second")
            await pipeline.until_caught_up()
    assert pipeline.stats.gaps == {"recreated": 2}
    assert [line["event"] for line in logs].count("topic recreated") == 1


async def test_a_gap_that_comes_again_is_counted_again() -> None:
    pipeline = Pipeline()
    (partition,) = pipeline.partitions
    async with pipeline.worker():
        for number in range(2):
            pipeline.log.append(partition, event("alice"), event("bob"))
            await pipeline.until_caught_up()
            pipeline.log.truncate(partition, end=0)
            await wait_until(lambda: pipeline.stats.gaps["truncated"] == number + 1)  # noqa: B023 - within the turn
            await pipeline.until_caught_up()
    assert len(pipeline.stored.gaps) == 2


async def test_a_redis_of_another_deployment_ends_the_worker() -> None:
    pipeline = Pipeline()

    def refuse() -> None:
        raise OperatorError("Redis counts for another topic")

    pipeline.steps.plan("begin", refuse)
    worker = await pipeline.start_worker()
    with pytest.raises(OperatorError, match="another topic"):
        await worker.run
