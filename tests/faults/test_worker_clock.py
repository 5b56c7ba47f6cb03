"""A worker whose clock is wrong.

What it counts is right all the same, for the broker's stamps decide; so is as-of, which goes by Redis' clock.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.faults.drill import Drill
from tests.faults.exercise import Exercise

DAY_SECONDS = 86_400


async def test_a_workers_clock_is_a_day_behind(drill: Drill) -> None:
    async with drill("worker's clock a day behind", "for 300 records") as exercise, _shifted(exercise, -1):
        await exercise.flows(records=300)


async def test_a_workers_clock_is_a_day_ahead(drill: Drill) -> None:
    async with drill("worker's clock a day ahead", "for 300 records") as exercise, _shifted(exercise, 1):
        await exercise.flows(records=300)


@asynccontextmanager
async def _shifted(exercise: Exercise, days: int) -> AsyncIterator[None]:
    """Have every worker replaced by one with another clock, for a while."""
    plant = exercise.plant
    for worker in plant.workers:
        await worker.stop()
    shifted = plant.process("worker", module="tests.faults.shifted", SHIFT_SECONDS=str(days * DAY_SECONDS))
    shifted.start()
    try:
        await shifted.logged("positioned")
        yield
        await shifted.stop()
        assert shifted.exit_code == 0
    finally:
        shifted.kill()
    for worker in plant.workers:
        worker.start()
