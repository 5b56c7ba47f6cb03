"""Batches that can't be read: they stop their own partition, and an operator moves it on."""

import asyncio
import sys

from headcount.composition import utc_now
from ingest.batch import Partition
from projector.progress import read_progress
from tests.faults.activity import Draft, event
from tests.faults.damage import Damaged, damage, undecodable, unknown_codec, wrong_checksum
from tests.faults.drill import Drill
from tests.faults.exercise import Exercise
from tests.faults.plant import Plant
from tests.faults.topics import publish
from tests.waiting import wait_until

DAMAGES = (wrong_checksum, unknown_codec, undecodable)
SOUND = len(DAMAGES)
"""The number of the partition that nothing happens to."""
STOPPED = {"partition stopped", "gap"}
BEFORE = 3


async def test_batches_are_damaged(drill: Drill) -> None:
    """What stands before the damage is counted; the other partitions go on; `headcount skip` steps over it.

    The damaged events are anonymous, so that a clean projection of the mended log lacks none of them.
    """
    async with drill(
        "damaged batches", "wrong checksum, unknown codec, undecodable; skipped", errors=STOPPED
    ) as exercise:
        plant = exercise.plant
        exercise.times = len(DAMAGES)
        damaged = await _damage(plant)
        await wait_until(
            lambda: _stopped_partitions(exercise) == set(range(len(DAMAGES))),
            deadline_seconds=40,
            message="each damaged partition was stopped, and no other",
        )
        assert await _checkpoints(plant) == [each.offset for each in damaged]
        await _goes_on(plant)
        await asyncio.gather(*(_skip(plant, number) for number in range(len(DAMAGES))))
        for each in damaged:
            each.mend()
        for worker in plant.workers:  # by itself it would look at a stopped partition half a minute later
            await worker.stop()
            worker.start()
    await drill.plant.renew()


async def _damage(plant: Plant) -> list[Damaged]:
    """Damage a batch of each partition but one, with good ones before and after, that are not counted yet."""
    for worker in plant.workers:
        await worker.stop()
    for number in range(len(DAMAGES)):
        markers = [b"before"] * BEFORE + [b"damaged", b"after"]
        await publish(plant, map(_anonymous, markers), partition=number)
    damaged = [damage(plant, number, b"damaged", how) for number, how in enumerate(DAMAGES)]
    for worker in plant.workers:
        worker.start()
    return damaged


def _anonymous(marker: bytes) -> Draft:
    draft = event("unseen", None, utc_now())
    return Draft((draft.value or b"").replace(b"message", marker))


def _stopped_partitions(exercise: Exercise) -> set[int]:
    lines = [
        line for worker in exercise.plant.workers for line in exercise.lines(worker, "partition stopped")
    ]
    assert all("damaged records" in line["cause"] for line in lines)
    return {int(line["partition"].rpartition(":")[2]) for line in lines}


async def _checkpoints(plant: Plant) -> list[int]:
    async with plant.redis() as redis:
        checkpoints = (await read_progress(redis)).checkpoints
    return [checkpoints[Partition(plant.topic, number)] for number in range(len(DAMAGES))]


async def _goes_on(plant: Plant) -> None:
    """Wait until the sound partition was counted further."""
    partition = Partition(plant.topic, SOUND)
    async with plant.redis() as redis:
        before = (await read_progress(redis)).checkpoints[partition]

        async def has_moved() -> bool:
            return (await read_progress(redis)).checkpoints[partition] > before

        await wait_until(has_moved, deadline_seconds=30, message="the sound partition went on")


async def _skip(plant: Plant, number: int) -> None:
    """Have the command line find the next record that can be read."""
    arguments = ("-m", "headcount", "skip", "--partition", str(number), "--yes")
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, env=plant.environment())
    assert await process.wait() == 0
