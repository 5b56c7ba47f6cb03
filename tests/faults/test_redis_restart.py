"""Redis goes away and comes back with its data: nothing is lost, and the API says what it knows."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import BusyLoadingError, ConnectionError  # noqa: A004 - Redis' own

from embedded import EmbeddedValkey
from tests.faults.drill import Drill
from tests.faults.plant import Plant
from tests.support.waiting import wait_until

LONGER_THAN_A_SESSION = 12.0
LOAD_SECONDS = 3
FLAT_BYTES = 20_000_000


async def test_redis_is_restarted(drill: Drill) -> None:
    async with drill("Redis restart", "stopped and started again") as exercise:
        await exercise.plant.valkey.stop()
        await exercise.watcher.says("503")
        await exercise.plant.valkey.start()


async def test_redis_is_away_for_longer_than_a_session(drill: Drill) -> None:
    """The workers keep their place in the group: nobody is put out of it, and nothing is assigned anew."""
    async with drill("Redis away", f"stopped for {LONGER_THAN_A_SESSION:.0f} s") as exercise:
        plant = exercise.plant
        memory = plant.memory()
        await plant.valkey.stop()
        until = time.monotonic() + LONGER_THAN_A_SESSION
        await wait_until(lambda: time.monotonic() > until, deadline_seconds=2 * LONGER_THAN_A_SESSION)
        assert await plant.members() == ("Stable", len(plant.workers))
        assert plant.memory() < memory + FLAT_BYTES
        await plant.valkey.start()
        await exercise.logged("resumed")
        assert not [line for worker in plant.workers for line in exercise.lines(worker, "assigned")]


async def test_redis_is_killed(drill: Drill) -> None:
    async with drill("Redis `kill -9`", "killed and started again") as exercise:
        exercise.times = 3
        for _ in range(exercise.times):
            exercise.plant.valkey.kill()
            await exercise.watcher.says("503")
            await exercise.plant.valkey.start()
            await exercise.watcher.says("200")


async def test_redis_loads_for_long(drill: Drill) -> None:
    """It listens, and answers everything with LOADING."""
    async with drill("Redis loading", f"stopped, and started again in {LOAD_SECONDS} s") as exercise:
        valkey = exercise.plant.valkey
        keys = await _rewrite(valkey)
        await valkey.stop()
        with _slow_to_load(valkey, LOAD_SECONDS / keys):
            # In a thread: whoever starts a server asks it again and again, and would hold up the watcher.
            starting = asyncio.create_task(asyncio.to_thread(asyncio.run, valkey.start()))
            await wait_until(lambda: _is_loading(valkey), message="Redis was loading")
            await exercise.watcher.says("503")
            await starting


async def test_redis_is_suspended(drill: Drill) -> None:
    """Its connections stay open and nothing answers; what it was sent, it carries out late."""
    async with drill(
        "Redis suspended", "SIGSTOP until the workers gave up on a reply, then SIGCONT"
    ) as exercise:
        exercise.plant.valkey.suspend()
        await exercise.watcher.says("503")
        await exercise.logged("waiting")
        exercise.plant.valkey.resume()


async def test_redis_is_down_while_partitions_are_assigned(drill: Drill) -> None:
    async with drill("Redis down during a rebalance", "stopped; a worker left; started again") as exercise:
        plant = exercise.plant
        leaving = plant.workers[-1]
        await plant.valkey.stop()
        await leaving.stop()
        await wait_until(lambda: _is_alone(plant), message="the other worker had taken over the partitions")
        await plant.valkey.start()
        await exercise.logged("positioned")
        leaving.start()


async def _rewrite(valkey: EmbeddedValkey) -> int:
    """Have all that was appended become a snapshot, and return how many keys it holds."""
    async with Redis.from_url(valkey.url) as redis:
        await redis.bgrewriteaof()

        async def is_done() -> bool:
            persistence = await redis.info("persistence")
            return not persistence["aof_rewrite_in_progress"] and not persistence["aof_rewrite_scheduled"]

        await wait_until(is_done, message="the append-only file was rewritten")
        return int(await redis.dbsize())


async def _is_loading(valkey: EmbeddedValkey) -> bool:
    async with Redis.from_url(valkey.url, retry=Retry(NoBackoff(), 0)) as redis:
        try:
            await redis.ping()
        except BusyLoadingError:
            return True
        except ConnectionError:
            pass  # it does not listen yet
        return False


@contextmanager
def _slow_to_load(valkey: EmbeddedValkey, seconds_a_key: float) -> Iterator[None]:
    """Have the server's next start take long, by the options that its own tests use."""
    microseconds = round(seconds_a_key * 1_000_000)
    slow = {"key-load-delay": str(microseconds), "loading-process-events-interval-bytes": "1024"}
    options, valkey._options = valkey._options, {**valkey._options, **slow}
    try:
        yield
    finally:
        valkey._options = options


async def _is_alone(plant: Plant) -> bool:
    return await plant.members() == ("Stable", 1)
