"""Workers end without a word, or freeze and come back: another one goes on from the checkpoint."""

import random
import signal

from tests.faults.drill import Drill
from tests.faults.plant import Plant
from tests.waiting import wait_until

KILLS = 8
KAFKA_IS_AWAY = {"aiokafka"}
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
    """It still believes that the partitions are its own: what it sends late is refused."""
    async with drill(
        "worker suspended",
        "SIGSTOP past its session, SIGCONT once another had taken over",
        errors=KAFKA_IS_AWAY,
    ) as exercise:
        plant = exercise.plant
        suspended = plant.workers[0]
        suspended.send(signal.SIGSTOP)
        try:
            await wait_until(
                lambda: _has_one_member(plant),
                deadline_seconds=SESSION_DEADLINE_SECONDS,
                message="Kafka put the suspended worker out of the group",
            )
            await exercise.watcher.says("200")
        finally:
            suspended.send(signal.SIGCONT)
        await wait_until(
            lambda: any(line["event"] == "another worker went on" for line in exercise.lines(suspended)),
            message="the suspended worker's late batch was refused",
        )


async def _has_one_member(plant: Plant) -> bool:
    return await plant.members() == ("Stable", 1)
