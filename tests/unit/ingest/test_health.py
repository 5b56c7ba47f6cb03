"""A worker's health follows from its progress, not from its connections."""

import asyncio
from collections.abc import Mapping

from ingest.batch import Partition
from ingest.errors import PartitionStoppedError
from ingest.worker.health import is_ready, stalls, standings
from tests.support.fakes_log import FakeRecord
from tests.support.pipeline import Pipeline, event
from tests.support.steps import away
from tests.support.virtual_time import wait_until

PATIENCE = 60.0


def stalled(pipeline: Pipeline) -> list[str]:
    return stalls(pipeline.stats.state, now=asyncio.get_running_loop().time(), retry=PATIENCE)


def standing(pipeline: Pipeline) -> Mapping[Partition, str]:
    return standings(pipeline.stats.state)


async def hang() -> None:
    await asyncio.Event().wait()


async def test_a_worker_at_work_lives_and_is_ready() -> None:
    pipeline = Pipeline(partitions=2)
    pipeline.log.append(pipeline.partitions[0], event("alice"))
    async with pipeline.worker():
        await pipeline.until_caught_up()
        await asyncio.sleep(3 * PATIENCE)
        assert stalled(pipeline) == []
        assert is_ready(pipeline.stats.state)
        assert standing(pipeline) == dict.fromkeys(pipeline.partitions, "ok")


async def test_a_worker_without_an_assignment_is_not_ready() -> None:
    pipeline = Pipeline()
    assert stalled(pipeline) == []
    assert not is_ready(pipeline.stats.state)


async def test_a_member_that_got_no_partition_is_ready_to_take_over() -> None:
    pipeline = Pipeline(partitions=1)
    async with pipeline.worker():
        await pipeline.until_caught_up()
        first, pipeline.stats.state.partitions = pipeline.stats.state.partitions, {}
        assert first
        assert is_ready(pipeline.stats.state)


async def test_a_loop_that_hangs_is_detected() -> None:
    pipeline = Pipeline()
    worker = await pipeline.start_worker()
    await pipeline.until_caught_up()
    pipeline.steps.plan("poll", hang)
    await asyncio.sleep(PATIENCE / 2)
    assert stalled(pipeline) == []
    await asyncio.sleep(PATIENCE)
    assert "the worker's loop hangs" in stalled(pipeline)
    await worker.die()


async def test_a_call_that_never_returns_is_detected() -> None:
    pipeline = Pipeline()
    worker = await pipeline.start_worker()
    await pipeline.until_caught_up()
    pipeline.steps.plan("apply", hang)
    await asyncio.sleep(2 * PATIENCE)
    assert "the worker's loop hangs" in stalled(pipeline)
    await worker.die()


async def test_a_watermark_monitor_that_hangs_is_detected() -> None:
    pipeline = Pipeline()
    async with pipeline.worker():
        await pipeline.until_caught_up()
        pipeline.steps.plan("state", hang)
        await asyncio.sleep(2 * PATIENCE)
        assert stalled(pipeline) == ["the watch over the log's ends hangs"]


async def test_a_partition_whose_records_never_come_is_found_though_the_loop_turns() -> None:
    pipeline = Pipeline(partitions=2)
    first, second = pipeline.partitions
    async with pipeline.worker():
        await pipeline.until_caught_up()
        pipeline.source.pause([first])  # what a fetcher does that has lost its way
        pipeline.log.append(first, event("alice"))
        pipeline.log.append(second, event("bob"))
        await asyncio.sleep(2 * PATIENCE)
        assert stalled(pipeline) == [f"{first} makes no progress, with a lag of 1"]
        pipeline.source.resume([first])
        await pipeline.until_caught_up()
        assert stalled(pipeline) == []


async def test_a_worker_that_works_off_a_backlog_lives() -> None:
    pipeline = Pipeline(poll_records=1)
    (partition,) = pipeline.partitions
    pipeline.log.append(partition, *[event("alice")] * 10)
    pipeline.steps.plan("apply done", *[lambda: asyncio.sleep(PATIENCE / 2)] * 20)
    async with pipeline.worker():
        await asyncio.sleep(2 * PATIENCE)
        assert pipeline.lags()[partition] > 0
        assert stalled(pipeline) == []


async def test_waiting_for_redis_is_no_stall_but_not_ready_either() -> None:
    pipeline = Pipeline()
    async with pipeline.worker():
        await pipeline.until_caught_up()
        pipeline.log.append(pipeline.partitions[0], event("alice"))
        pipeline.steps.plan("apply", *[away] * 400)
        await asyncio.sleep(2 * PATIENCE)
        assert pipeline.users() == set()
        assert stalled(pipeline) == []
        assert not is_ready(pipeline.stats.state)
        assert pipeline.stats.state.waiting_for == "away"
        await pipeline.until_caught_up()
        assert stalled(pipeline) == []
        # What it wrote is to be seen a moment before it has heard so itself.
        await wait_until(lambda: is_ready(pipeline.stats.state), message="the worker is ready")


async def test_a_kafka_that_is_away_is_no_stall() -> None:
    """A poll returns nothing then; only the watermark monitor gets an error."""
    pipeline = Pipeline()
    async with pipeline.worker():
        await pipeline.until_caught_up()
        pipeline.source.pause(pipeline.partitions)
        pipeline.log.append(pipeline.partitions[0], event("alice"))
        await asyncio.sleep(PATIENCE / 2)
        pipeline.steps.plan("state", *[away] * 200)
        await asyncio.sleep(2 * PATIENCE)
        assert pipeline.stats.state.away == "away"
        assert stalled(pipeline) == []
        assert not is_ready(pipeline.stats.state)
        await wait_until(lambda: pipeline.stats.state.away is None)
        assert stalled(pipeline) == []  # what it could not do in the meantime is none of its faults


async def test_a_stopped_partition_is_no_stall_and_says_why() -> None:
    pipeline = Pipeline(partitions=2)
    first, second = pipeline.partitions

    def refuse() -> None:
        raise PartitionStoppedError(first, "a counter has the wrong type")

    async with pipeline.worker():
        await pipeline.until_caught_up()
        await wait_until(lambda: is_ready(pipeline.stats.state), message="the worker knows it too")
        pipeline.steps.plan("apply", refuse)
        await wait_until(
            lambda: "ok" not in set(standing(pipeline).values()) or not is_ready(pipeline.stats.state)
        )
        stopped = {name: words for name, words in standing(pipeline).items() if words != "ok"}
        assert list(stopped.values()) == ["stopped: a counter has the wrong type"]
        await wait_until(lambda: is_ready(pipeline.stats.state), message="it was tried again")
        assert stalled(pipeline) == []
    assert {first, second} == set(standing(pipeline))


async def test_a_partition_may_be_stopped_for_long() -> None:
    pipeline = Pipeline()
    (partition,) = pipeline.partitions

    def refuse() -> None:
        raise PartitionStoppedError(partition, "damaged")

    async with pipeline.worker():
        await pipeline.until_caught_up()
        pipeline.steps.plan("apply", *[refuse] * 3)
        await wait_until(lambda: standing(pipeline)[partition] == "stopped: damaged")
        await asyncio.sleep(4)
        assert stalls(pipeline.stats.state, now=asyncio.get_running_loop().time(), retry=3) == []


async def test_behind_a_gap_a_partition_is_catching_up() -> None:
    pipeline = Pipeline()
    (partition,) = pipeline.partitions
    pipeline.log.append(partition, event("alice"))
    async with pipeline.worker():
        await pipeline.until_caught_up()
    pipeline.log.append(partition, *[event("alice")] * 5)
    pipeline.log.purge(partition, before=4)
    pipeline.steps.plan("now", *[away] * 30)
    async with pipeline.worker():
        await wait_until(lambda: pipeline.stats.gaps)
        await wait_until(lambda: pipeline.stats.state.owned[partition].checkpoint)
        assert pipeline.stats.state.owned[partition].as_of is None


async def test_a_partition_that_lost_its_freshness_is_catching_up() -> None:
    pipeline = Pipeline()
    (partition,) = pipeline.partitions
    async with pipeline.worker():
        await pipeline.until_caught_up()
        pipeline.stored.restore(Pipeline().stored)
        pipeline.log.append(partition, *[FakeRecord()] * 3)
        await wait_until(lambda: standing(pipeline)[partition].startswith("catching up"))
        assert not is_ready(pipeline.stats.state)
        await wait_until(lambda: is_ready(pipeline.stats.state))


async def test_a_restarted_worker_reads_as_of_from_redis() -> None:
    pipeline = Pipeline()
    (partition,) = pipeline.partitions
    async with pipeline.worker():
        await pipeline.until_caught_up()
    as_of = pipeline.stored.as_of[partition]
    pipeline.steps.plan("now", *[away] * 30)  # no instant of its own to go by
    async with pipeline.worker():
        await wait_until(lambda: pipeline.stats.state.owned[partition].as_of == as_of)


async def test_lag_is_what_is_still_to_be_read() -> None:
    pipeline = Pipeline()
    (partition,) = pipeline.partitions
    async with pipeline.worker():
        await pipeline.until_caught_up()
        pipeline.source.pause([partition])
        pipeline.log.append(partition, *[event("alice")] * 7)
        await wait_until(lambda: pipeline.stats.state.owned[partition].lag == 7)
        pipeline.source.resume([partition])
        await wait_until(lambda: pipeline.stats.state.owned[partition].lag == 0)


async def test_a_partition_without_leader_is_no_stall_but_not_ready_either() -> None:
    """A restart would not help it; the time without leader does not count once it has one again."""
    pipeline = Pipeline(partitions=2)
    first, second = pipeline.partitions
    async with pipeline.worker():
        await pipeline.until_caught_up()
        pipeline.log.append(second, event("bob"))
        pipeline.log.lose_leader(second)
        await asyncio.sleep(3 * PATIENCE)
        assert stalled(pipeline) == []
        assert not is_ready(pipeline.stats.state)
        assert standing(pipeline) == {first: "ok", second: "unavailable: no leader"}
        pipeline.source.pause([second])  # its records are late, too
        pipeline.log.elect_leader(second)
        await wait_until(lambda: pipeline.stats.state.owned[second].unavailable is None)
        assert stalled(pipeline) == []
        await asyncio.sleep(2 * PATIENCE)
        assert [f"{second} makes no progress" in each for each in stalled(pipeline)] == [True]
