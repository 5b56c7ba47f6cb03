"""Another Redis takes over, with all of the data or without the newest."""

from redis.asyncio import Redis

from tests.faults.drill import Drill
from tests.faults.plant import Plant
from tests.faults.proxy import Proxy
from tests.support.waiting import wait_until

NOBODY_LISTENS = 1
PAUSE_SECONDS = 60


async def test_a_lagging_replica_takes_over(drill: Drill) -> None:
    async with drill(
        "fail-over to a lagging replica", "replication cut, load on, replica promoted"
    ) as exercise:
        plant = exercise.plant
        link = Proxy(plant.valkey.port)
        await link.start()
        replica = await plant.add_redis()
        async with Redis.from_url(replica.url) as redis:
            await _replicate(plant, redis, link)
            await link.stop()
            await exercise.flows(records=300)
            await redis.replicaof("NO", "ONE")
        await plant.fail_over(replica)


async def test_redis_is_read_only_until_promoted(drill: Drill) -> None:
    async with (
        drill("Redis read-only", "made a replica, a worker restarted, later promoted") as exercise,
        exercise.plant.redis() as redis,
    ):
        await redis.replicaof("127.0.0.1", NOBODY_LISTENS)
        await exercise.restart_while_waiting()
        await exercise.watcher.says("200 with an older as-of")
        await redis.replicaof("NO", "ONE")


async def test_redis_holds_writes_back_for_a_planned_fail_over(drill: Drill) -> None:
    async with (
        drill("planned fail-over", f"CLIENT PAUSE WRITE for {PAUSE_SECONDS} s") as exercise,
        exercise.plant.redis() as redis,
    ):
        await redis.client_pause(PAUSE_SECONDS * 1000, all=False)
        await exercise.flows(records=300)
        await redis.client_unpause()


async def _replicate(plant: Plant, replica: Redis, link: Proxy) -> None:
    """Have the replica follow the plant's Redis, and wait until it is in step."""
    async with plant.redis() as leader:
        await leader.config_set("repl-diskless-sync-delay", "0")
    await replica.replicaof("127.0.0.1", link.port)

    async def is_linked() -> bool:
        return bool((await replica.info("replication"))["master_link_status"] == "up")

    await wait_until(is_linked, message="the replica was in step")
