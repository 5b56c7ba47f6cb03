"""The topic is not what it was: with more partitions, another one, or without records that were in it."""

from headcount.wiring import utc_now
from ingest.batch import Partition
from ingest.kafka.topics import PARTITIONS
from projector.checkpoints import read_progress
from tests.faults.activity import Draft, event
from tests.faults.drill import Drill
from tests.faults.exercise import Exercise
from tests.faults.plant import Plant
from tests.faults.topics import (
    add_partitions,
    cut_segment,
    delete_records,
    publish,
    recreate,
    remember,
)
from tests.support.waiting import wait_until

KAFKA_CHANGED = {"gap", "topic recreated"}
UNCOUNTED = 6


async def test_partitions_are_added(drill: Drill) -> None:
    """As-of may not pass what is published to them before any worker has them."""
    async with drill(
        "partitions added", "one more, and published to at once", errors=KAFKA_CHANGED
    ) as exercise:
        load = exercise.load
        await add_partitions(exercise.plant, PARTITIONS + 1)
        await load.stop()
        await load.start()
        await wait_until(lambda: _is_counted(exercise.plant, PARTITIONS), message="the new one was counted")
    await drill.plant.renew()


async def test_the_topic_is_recreated_shorter(drill: Drill) -> None:
    async with drill(
        "topic recreated", "deleted and made again, shorter", errors=KAFKA_CHANGED, poison_share=0
    ) as exercise:
        known = await _causes(exercise)
        await _rest(exercise)
        await recreate(exercise.plant)
        await exercise.load.start()
        await _recorded(exercise, [*known, *["recreated"] * PARTITIONS])
    await drill.plant.renew()


async def test_the_topic_is_recreated_longer(drill: Drill) -> None:
    """With no worker alive: the checkpoint is an offset of the new topic too, and means nothing there."""
    async with drill(
        "topic recreated, longer", "while no worker was alive", errors=KAFKA_CHANGED, poison_share=0
    ) as exercise:
        plant, known = exercise.plant, await _causes(exercise)
        await _rest(exercise)
        for worker in plant.workers:
            await worker.stop()
        length = exercise.load.acknowledged
        await recreate(plant)
        await exercise.load.start()
        await exercise.flows(records=length + 400)
        for worker in plant.workers:
            worker.start()
        await _recorded(exercise, [*known, *["recreated"] * PARTITIONS])
    await drill.plant.renew()


async def test_retention_overtakes_stopped_workers(drill: Drill) -> None:
    async with drill(
        "retention overtook the workers", "records deleted that were not counted", errors=KAFKA_CHANGED
    ) as exercise:
        plant = exercise.plant
        partition, known = Partition(plant.topic, 0), await _causes(exercise)
        await _rest(exercise)
        for worker in plant.workers:
            await worker.stop()
        checkpoint = await _checkpoint(plant, partition)
        await publish(plant, [_unseen(number) for number in range(UNCOUNTED)], partition=0)
        await delete_records(plant, partition, before=checkpoint + UNCOUNTED)
        await exercise.load.start()
        for worker in plant.workers:
            worker.start()
        await _recorded(exercise, [*known, "retention"])
        async with plant.redis() as redis:
            gap = (await read_progress(redis)).gaps[-1]
        assert (gap.cause, gap.partition) == ("retention", 0)
        assert (gap.checkpoint, gap.beginning) == (checkpoint, checkpoint + UNCOUNTED)
        assert (gap.first_day, gap.last_day) == (utc_now().date(), utc_now().date())


async def test_the_log_lost_acknowledged_records(drill: Drill) -> None:
    """What is left of it is counted again from its beginning, and what was counted stays."""
    async with drill(
        "log truncated", "a segment cut while Kafka was down", errors=KAFKA_CHANGED, poison_share=0
    ) as exercise:
        plant, known = exercise.plant, await _causes(exercise)
        await _rest(exercise)
        await plant.kafka.stop()
        cut_segment(plant, partition=0)
        await plant.kafka.start()
        await exercise.load.start()
        await _recorded(exercise, [*known, "truncated"])


async def _rest(exercise: Exercise) -> None:
    """End the load, and keep what is in the log once all of it is counted."""
    await exercise.load.stop()
    rested_at = utc_now()
    await exercise.watcher.sees(rested_at)
    await remember(exercise.plant)


async def _recorded(exercise: Exercise, causes: list[str]) -> None:
    """Wait until gaps of these causes, and no others, are on record."""
    await wait_until(
        lambda: _has_causes(exercise, causes), deadline_seconds=30, message=f"there were gaps: {causes}"
    )


async def _has_causes(exercise: Exercise, causes: list[str]) -> bool:
    return await _causes(exercise) == causes


async def _causes(exercise: Exercise) -> list[str]:
    async with exercise.plant.redis() as redis:
        return [gap.cause for gap in (await read_progress(redis)).gaps]


async def _is_counted(plant: Plant, number: int) -> bool:
    async with plant.redis() as redis:
        return (await read_progress(redis)).checkpoints.get(Partition(plant.topic, number), 0) > 0


async def _checkpoint(plant: Plant, partition: Partition) -> int:
    async with plant.redis() as redis:
        return (await read_progress(redis)).checkpoints[partition]


def _unseen(number: int) -> Draft:
    return Draft(event("unseen", f"user-{number}", utc_now()).value)
