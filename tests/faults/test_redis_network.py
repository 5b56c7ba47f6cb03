"""The network between Headcount and Redis: slow, or silent at the worst moment."""

import hashlib

from projector import scripts
from tests.faults.drill import Drill
from tests.support.waiting import wait_until


async def test_replies_are_lost_after_the_script_ran(drill: Drill) -> None:
    """The batch is sent again, and must not be taken for another worker's."""
    async with drill("reply lost", "connection broken after the script ran, before its reply") as exercise:
        proxy = exercise.plant.redis_proxy
        script = hashlib.sha1(scripts.source(scripts.APPLY).encode(), usedforsecurity=False).hexdigest()
        exercise.times = 20
        wanted = proxy.lost_replies + exercise.times
        proxy.lose_replies(to=script.encode(), times=exercise.times)
        await wait_until(lambda: proxy.lost_replies == wanted, message="the replies were lost")


async def test_connections_break_again_and_again(drill: Drill) -> None:
    async with drill("connections cut", "every connection to Redis broken") as exercise:
        exercise.times = 20
        for _ in range(exercise.times):
            await exercise.plant.redis_proxy.cut()
            await exercise.flows(records=25)


async def test_redis_takes_200_ms(drill: Drill) -> None:
    async with drill("Redis latency 200 ms", "every reply held back, for 600 records") as exercise:
        with exercise.plant.redis_proxy.latency(seconds=0.2):
            await exercise.flows(records=600)


async def test_redis_takes_2_s(drill: Drill) -> None:
    async with drill("Redis latency 2 s", "every reply held back, for 1000 records") as exercise:
        with exercise.plant.redis_proxy.latency(seconds=2):
            await exercise.watcher.says("503")
            await exercise.flows(records=1_000)
