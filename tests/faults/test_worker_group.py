"""Workers come and go, and there may be more of them than partitions: each partition has one at a time."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ingest.kafka.topics import PARTITIONS
from tests.faults.drill import Drill
from tests.faults.plant import Plant
from tests.faults.processes import Process
from tests.support.waiting import wait_until

TURNS = 6
"""A commit that a rebalance overtook: nothing hangs on it."""


async def test_workers_come_and_go(drill: Drill) -> None:
    """Each turn begins while the rebalance of the turn before may still be under way."""
    async with drill("rebalance storm", "workers started and stopped, one after another") as exercise:
        exercise.times = TURNS
        chance = random.Random(exercise.load.big)
        async with _guests(exercise.plant, TURNS // 2) as guests:
            for turn in range(TURNS):
                guest = guests[turn // 2]
                if turn % 2:
                    await guest.logged("assigned")
                    await guest.stop()
                else:
                    guest.start()
                await exercise.flows(records=chance.randrange(1, 100))


async def test_there_are_more_workers_than_partitions(drill: Drill) -> None:
    async with drill("more workers than partitions", f"{PARTITIONS} more started, later stopped") as exercise:
        plant = exercise.plant
        async with _guests(plant, PARTITIONS) as guests:
            for guest in guests:
                guest.start()
            members = len(plant.workers) + len(guests)
            await wait_until(
                lambda: _has_members(plant, members), deadline_seconds=30, message="all were in the group"
            )
            await exercise.flows(records=300)
            await exercise.watcher.says("200")
            for guest in guests:
                await guest.stop()
        assert [guest.exit_code for guest in guests] == [0] * len(guests)


@asynccontextmanager
async def _guests(plant: Plant, number: int) -> AsyncIterator[list[Process]]:
    """Make workers beside the plant's, not started yet; none is left at the end."""
    guests = [plant.process("worker") for _ in range(number)]
    try:
        yield guests
    finally:
        for guest in guests:
            guest.kill()


async def _has_members(plant: Plant, number: int) -> bool:
    return await plant.members() == ("Stable", number)
