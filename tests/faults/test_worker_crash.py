"""Workers end without a word, or freeze and come back: another one goes on from the checkpoint."""

import random
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.faults.drill import Drill
from tests.faults.plant import Plant
from tests.faults.processes import Process
from tests.faults.proxy import Proxy
from tests.support.waiting import wait_until

KILLS = 8
"""What a worker sends that is in the group no longer, or not again yet."""
SESSION_DEADLINE_SECONDS = 40.0


async def test_workers_are_killed_again_and_again(drill: Drill) -> None:
    async with drill("worker `kill -9`", "at random instants of one load, started again") as exercise:
        exercise.times = KILLS
        chance = random.Random(exercise.load.big)
        for _ in range(KILLS):
            await exercise.flows(records=chance.randrange(1, 150))
            worker = chance.choice(exercise.plant.workers)
            worker.kill()
            worker.start()


async def test_a_suspended_worker_comes_back_too_late(drill: Drill) -> None:
    """It still believes that the partitions are its own: the batch that it was about to send is refused."""
    async with drill(
        "worker suspended",
        "SIGSTOP past its session with a batch under way, SIGCONT once others had taken over",
    ) as exercise:
        plant = exercise.plant
        async with _guest(plant) as (guest, its_way_to_redis):
            await guest.logged("positioned")
            with its_way_to_redis.holding_requests():
                await wait_until(lambda: its_way_to_redis.held_requests, message="a batch was under way")
                guest.send(signal.SIGSTOP)
                await wait_until(
                    lambda: _has_members(plant, len(plant.workers)),
                    deadline_seconds=SESSION_DEADLINE_SECONDS,
                    message="Kafka put the suspended worker out of the group",
                )
                await exercise.watcher.says("200")
                await exercise.flows(records=100)
            guest.send(signal.SIGCONT)
            await guest.logged("stale batch rejected")


@asynccontextmanager
async def _guest(plant: Plant) -> AsyncIterator[tuple[Process, Proxy]]:
    """Start a worker beside the plant's, with a way to Redis of its own; it is gone at the end."""
    proxy = Proxy(plant.valkey.port)
    await proxy.start()
    guest = plant.process("worker", REDIS_URL=f"redis://127.0.0.1:{proxy.port}/0")
    guest.start()
    try:
        yield guest, proxy
        await guest.stop()
        assert guest.exit_code == 0
    finally:
        guest.kill()
        await proxy.stop()


async def _has_members(plant: Plant, number: int) -> bool:
    return await plant.members() == ("Stable", number)
