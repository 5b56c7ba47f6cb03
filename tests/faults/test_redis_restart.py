"""Redis goes away and comes back with its data: nothing is lost, and the API says what it knows."""

from tests.faults.drill import Drill


async def test_redis_is_restarted(drill: Drill) -> None:
    async with drill("Redis restart", "stopped and started under load") as exercise:
        await exercise.plant.valkey.stop()
        await exercise.watcher.says("503")
        await exercise.plant.valkey.start()
