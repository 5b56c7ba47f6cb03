"""Redis answers, and takes no writes: full, failing to save, or with something else in a counter's place."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis

from embedded import EmbeddedValkey
from headcount.wiring import utc_now
from ingest.batch import Partition
from ingest.kafka.topics import PARTITIONS
from projector import keys
from tests.faults import activity
from tests.faults.disks import bytes_under, fill_disk, may_mount, small_disk
from tests.faults.drill import Drill
from tests.support.waiting import wait_until

FREE_MEGABYTES = 8
MEGABYTE = 1 << 20
STOPPED = "partition stopped"


async def test_the_memory_is_full(drill: Drill) -> None:
    async with (
        drill("`maxmemory` reached", "set below what is used, a worker restarted, later raised") as exercise,
        exercise.plant.redis() as redis,
    ):
        await redis.config_set("maxmemory", "1mb")
        await exercise.restart_while_waiting()
        await exercise.watcher.says("200 with an older as-of")
        await redis.config_set("maxmemory", "0")


async def test_snapshots_fail(drill: Drill) -> None:
    async with (
        drill("`MISCONF`", "snapshots made to fail, a worker restarted, later mended") as exercise,
        exercise.plant.redis() as redis,
    ):
        obstacle = exercise.plant.valkey.data_folder / "dump.rdb"
        obstacle.unlink(missing_ok=True)
        obstacle.mkdir()
        await redis.config_set("save", "3600 1")
        await redis.bgsave()
        await exercise.restart_while_waiting()
        await exercise.watcher.says("200 with an older as-of")
        obstacle.rmdir()
        await redis.bgsave()


@pytest.mark.skipif(not may_mount(), reason="a small disk needs the right to mount; see test_snapshots_fail")
async def test_the_disk_is_full(drill: Drill) -> None:
    valkey = drill.plant.valkey
    async with (
        _small_disk(valkey),
        drill("disk full", f"{FREE_MEGABYTES} MB of disk filled, later freed") as exercise,
    ):
        filler = valkey.data_folder / "filler"
        fill_disk(filler)
        await exercise.logged("waiting")
        await exercise.watcher.says("200 with an older as-of")
        filler.unlink()


async def test_a_key_has_the_wrong_type(drill: Drill) -> None:
    """The partition with that counter stops, and goes on soon after an operator removed the key."""
    async with (
        drill("wrong-typed key", "a string in a counter's place, deleted", errors={STOPPED}) as exercise,
        exercise.plant.redis() as redis,
    ):
        draft = activity.event(f"{exercise.load.big}-odd", "user-0", utc_now())
        key = keys.FIRST.day(f"{exercise.load.big}-odd", utc_now().date())
        await redis.set(key, "no counter")
        await exercise.load.publish(draft, partition=0)
        stopped = await exercise.logged(STOPPED)
        assert key in stopped["cause"]
        for number in range(1, PARTITIONS):
            await _goes_on(redis, Partition(exercise.plant.topic, number))
        await redis.delete(key)


async def test_a_place_has_the_wrong_type(drill: Drill) -> None:
    """Every partition stops before it writes anything, and goes on soon after an operator removed the key."""
    async with (
        drill("wrong-typed as-of", "a string in its place, deleted", errors={STOPPED}) as exercise,
        exercise.plant.redis() as redis,
    ):
        await redis.set(keys.FIRST.as_of, "no instants")
        stopped = await exercise.logged(STOPPED)
        assert keys.FIRST.as_of in stopped["cause"]
        await exercise.watcher.says("503")
        await redis.delete(keys.FIRST.as_of)


async def _goes_on(redis: Redis, partition: Partition) -> None:
    """Wait until the partition's checkpoint moves."""
    before = await redis.hget(keys.FIRST.checkpoints, str(partition))

    async def has_moved() -> bool:
        return bool(await redis.hget(keys.FIRST.checkpoints, str(partition)) != before)

    await wait_until(has_moved, message=f"{partition} went on")


@asynccontextmanager
async def _small_disk(valkey: EmbeddedValkey) -> AsyncIterator[None]:
    """Have the server's data on a disk of its own for a while."""
    folder = valkey.data_folder
    aside = folder.with_name("aside")
    await valkey.stop()
    folder.rename(aside)
    with small_disk(folder, bytes_under(aside) + FREE_MEGABYTES * MEGABYTE):
        shutil.copytree(aside, folder, dirs_exist_ok=True)
        await valkey.start()
        yield
        await valkey.stop()
        shutil.rmtree(aside)
        shutil.copytree(folder, aside)
    folder.rmdir()
    aside.rename(folder)
    await valkey.start()
