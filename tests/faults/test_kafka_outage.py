"""Kafka goes away, or hangs: the API goes on answering from Redis, and the workers go on once it is back."""

from datetime import timedelta

from tests.faults.drill import Drill
from tests.faults.watcher import Watcher
from tests.support.waiting import wait_until

KILLS = 1
LONG = timedelta(seconds=25)
"""Longer than a session in the group, and than any request of the workers."""


async def test_kafka_is_killed(drill: Drill) -> None:
    async with drill("Kafka `kill -9`", "killed and started again") as exercise:
        exercise.times = KILLS
        for _ in range(KILLS):
            exercise.plant.kafka.kill()
            await exercise.watcher.says("200 with an older as-of")
            await exercise.plant.kafka.start()
            await exercise.watcher.says("200")


async def test_kafka_is_away_for_long(drill: Drill) -> None:
    """The numbers stay, and say how old they are."""
    async with drill("Kafka away", f"stopped for {LONG.seconds} s") as exercise:
        plant = exercise.plant
        await plant.kafka.stop()
        await wait_until(
            lambda: _has_aged(exercise.watcher, LONG), deadline_seconds=60, message="the as-of was old"
        )
        assert all(worker.is_running for worker in plant.workers)
        await plant.kafka.start()


async def test_kafka_hangs(drill: Drill) -> None:
    async with drill("Kafka suspended", "SIGSTOP until as-of was old, then SIGCONT") as exercise:
        exercise.plant.kafka.suspend()
        try:
            await exercise.watcher.says("200 with an older as-of")
        finally:
            exercise.plant.kafka.resume()


async def test_kafka_is_away_while_a_worker_starts(drill: Drill) -> None:
    """It waits, and neither ends nor floods its log."""
    async with drill("Kafka away at the start", "stopped; a worker started; started again") as exercise:
        plant = exercise.plant
        starting = plant.workers[0]
        await starting.stop()
        await plant.kafka.stop()
        size = starting.log_size()
        starting.start()
        waiting = await starting.logged("waiting", since=size)
        assert "Kafka" in waiting["cause"]
        await exercise.watcher.says("200 with an older as-of")
        assert starting.is_running
        await plant.kafka.start()


def _has_aged(watcher: Watcher, age: timedelta) -> bool:
    """Tell whether the newest answer is a number of that age."""
    newest = watcher.answers[-1]
    return newest.as_of is not None and newest.instant - newest.as_of > age
