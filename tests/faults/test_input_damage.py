"""Batches that can't be read: they stop their own partition, and an operator moves it on."""

import asyncio
import sys
from collections.abc import Sequence

from headcount.wiring import utc_now
from ingest.batch import Partition
from projector.checkpoints import read_progress
from tests.faults.activity import Draft, event
from tests.faults.damage import Damage, Damaged, bomb, damage, undecodable, unknown_codec, wrong_checksum
from tests.faults.drill import Drill
from tests.faults.exercise import Exercise
from tests.faults.plant import Plant
from tests.faults.topics import publish
from tests.support.waiting import wait_until

STOPPED = {"partition stopped", "gap"}
BEFORE = 3
PADDING = b" " * 20_000
"""Room in a batch for what is put into it; to an event, it is nothing."""
BOMB_MEMORY_BYTES = 192 << 20
"""What a worker may hold at most: itself, and a good deal less than the bomb's 256 MB."""


async def test_batches_are_damaged(drill: Drill) -> None:
    """What stands before the damage is counted; the other partitions go on; `headcount skip` steps over it.

    The damaged events are anonymous, so that a clean projection of the mended log lacks none of them.
    """
    async with drill(
        "damaged batches", "wrong checksum, unknown codec, undecodable; skipped", errors=STOPPED
    ) as exercise:
        damages = (wrong_checksum, unknown_codec, undecodable)
        damaged = await _damage(exercise, damages, cause="damaged records")
        await _go_behind(exercise.plant, damaged)
    await drill.plant.renew()


async def test_a_small_batch_is_large_once_decompressed(drill: Drill) -> None:
    async with drill("decompression bomb", "256 MB in 20 KB; skipped", errors=STOPPED) as exercise:
        damaged = await _damage(exercise, (bomb,), cause="exceeds 16 MB")
        assert max(worker.peak_memory() for worker in exercise.plant.workers) < BOMB_MEMORY_BYTES
        await _go_behind(exercise.plant, damaged)
    await drill.plant.renew()


async def _damage(exercise: Exercise, damages: Sequence[Damage], *, cause: str) -> list[Damaged]:
    """Damage a batch in one partition each, good ones before and after; wait until the workers stop there.

    None of them is counted yet.
    """
    plant = exercise.plant
    exercise.times = len(damages)
    for worker in plant.workers:
        await worker.stop()
    for number in range(len(damages)):
        markers = [b"before"] * BEFORE + [b"damaged", b"after"]
        await publish(plant, map(_anonymous, markers), partition=number)
    damaged = [damage(plant, number, b"damaged", how) for number, how in enumerate(damages)]
    for worker in plant.workers:
        worker.start()
    await wait_until(
        lambda: _stopped_partitions(exercise, cause) == set(range(len(damages))),
        deadline_seconds=40,
        message="each damaged partition was stopped, and no other",
    )
    assert await _checkpoints(plant, len(damages)) == [each.offset for each in damaged]
    await _goes_on(plant, len(damages))
    return damaged


async def _go_behind(plant: Plant, damaged: Sequence[Damaged]) -> None:
    """Skip the damage, and mend it for the clean projection."""
    await asyncio.gather(*(_skip(plant, number) for number in range(len(damaged))))
    for each in damaged:
        each.mend()
    for worker in plant.workers:  # by itself it would look at a stopped partition half a minute later
        await worker.stop()
        worker.start()


def _anonymous(marker: bytes) -> Draft:
    draft = event("unseen", None, utc_now())
    return Draft((draft.value or b"").replace(b"message", marker) + PADDING)


def _stopped_partitions(exercise: Exercise, cause: str) -> set[int]:
    lines = [
        line for worker in exercise.plant.workers for line in exercise.lines(worker, "partition stopped")
    ]
    assert all(cause in line["cause"] for line in lines)
    return {int(line["partition"].rpartition(":")[2]) for line in lines}


async def _checkpoints(plant: Plant, count: int) -> list[int]:
    async with plant.redis() as redis:
        checkpoints = (await read_progress(redis)).checkpoints
    return [checkpoints[Partition(plant.topic, number)] for number in range(count)]


async def _goes_on(plant: Plant, sound: int) -> None:
    """Wait until a partition that nothing happens to was counted further."""
    partition = Partition(plant.topic, sound)
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
