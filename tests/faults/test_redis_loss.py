"""Redis comes back with less than it had, or with nothing: found out, told, and made good from the log."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from embedded import EmbeddedValkey
from headcount.ops.rebuild.forgetting import forget
from headcount.wiring import utc_now
from projector import keys
from tests.faults.activity import Draft, event
from tests.faults.drill import Drill
from tests.faults.exercise import Exercise
from tests.faults.plant import Plant
from tests.support.people import PSEUDONYMS, count

CUT_BYTES = 4_000
PEOPLE = 47
"""Who is counted in the workspace that has one person more, who is to be forgotten."""


async def test_redis_is_flushed(drill: Drill) -> None:
    async with drill("FLUSHALL", "under load; the tokens put back once the API missed them") as exercise:
        await exercise.plant.flush()
        await exercise.watcher.says("503 tokens-unavailable")
        await exercise.plant.keep_tokens()


async def test_redis_is_flushed_with_no_worker_alive(drill: Drill) -> None:
    async with drill("FLUSHALL with no worker", "workers stopped, FLUSHALL, tokens put back") as exercise:
        plant = exercise.plant
        for worker in plant.workers:
            await worker.stop()
        await plant.flush()
        await plant.keep_tokens()
        await exercise.watcher.says("503 catching-up")
        for worker in plant.workers:
            worker.start()


async def test_an_older_rdb_is_put_back(drill: Drill) -> None:
    async with drill("older RDB put back", "a snapshot restored that load had gone on after") as exercise:
        plant = exercise.plant
        async with plant.redis() as redis:
            await redis.save()
        await exercise.flows(records=300)
        async with _stopped(plant.valkey):
            _make_snapshot_the_base(plant.valkey.data_folder)


async def test_an_older_aof_is_put_back(drill: Drill) -> None:
    async with drill("older AOF put back", "a copy restored that load had gone on after") as exercise:
        plant = exercise.plant
        folder = plant.valkey.data_folder
        copy = folder.with_name("copy")
        async with _stopped(plant.valkey):
            shutil.copytree(folder, copy)
        await exercise.watcher.says("200")
        await exercise.flows(records=300)
        async with _stopped(plant.valkey):
            shutil.rmtree(folder)
            copy.rename(folder)


async def test_the_aof_lost_its_tail(drill: Drill) -> None:
    async with drill("AOF tail cut", f"killed, {CUT_BYTES} bytes cut off, started again") as exercise:
        valkey = exercise.plant.valkey
        valkey.kill()
        journal = max(
            valkey.data_folder.glob("appendonlydir/*.incr.aof"), key=lambda each: each.stat().st_mtime
        )
        with journal.open("rb+") as file:
            file.truncate(journal.stat().st_size - CUT_BYTES)
        await valkey.start()


async def test_redis_is_flushed_after_a_person_was_forgotten(drill: Drill) -> None:
    """Of 48 people 47 are left, and no answer ever has 48 again."""
    async with drill("FLUSHALL after `forget`", "a person forgotten, FLUSHALL, tokens put back") as exercise:
        workspace = await _count_people(exercise, "flushed")
        await _forget_one(exercise, workspace)
        await exercise.plant.flush()
        await exercise.watcher.says("503 tokens-unavailable")
        await exercise.plant.keep_tokens()


async def test_an_aof_from_before_a_person_was_forgotten_is_put_back(drill: Drill) -> None:
    async with drill("AOF of before a `forget`", "a copy restored that holds the person") as exercise:
        plant = exercise.plant
        workspace = await _count_people(exercise, "restored")
        folder = plant.valkey.data_folder
        copy = folder.with_name("copy")
        async with _stopped(plant.valkey):
            shutil.copytree(folder, copy)
        await exercise.watcher.says("200")
        await _forget_one(exercise, workspace)
        await exercise.flows(records=300)
        await exercise.watcher.sees(utc_now())
        async with _stopped(plant.valkey):
            shutil.rmtree(folder)
            copy.rename(folder)


async def _count_people(exercise: Exercise, name: str) -> str:
    """Have one person more counted than the load knows of, in a workspace that nobody asks for yet."""
    workspace, instant = f"{exercise.load.big}-{name}", utc_now()
    await exercise.plant.admit([workspace])
    for number in range(PEOPLE):
        await exercise.load.publish(event(workspace, f"person-{number}", instant))
    await exercise.load.publish(Draft(event(workspace, "forgotten", instant).value))
    await exercise.watcher.sees(utc_now())
    assert await _users(exercise.plant, workspace) == PEOPLE + 1
    return workspace


async def _forget_one(exercise: Exercise, workspace: str) -> None:
    """Forget the one; from now on every answer must have exactly the others."""
    plant = exercise.plant
    forgotten = await forget(plant.config(), workspace, "forgotten")
    assert forgotten.removed == 2
    plant.forgotten.update(f"{workspace}:{each}" for each in PSEUDONYMS.of(workspace, ["forgotten"]))
    assert await _users(plant, workspace) == PEOPLE
    exercise.watcher.watch(workspace)


async def _users(plant: Plant, workspace: str) -> int:
    async with plant.redis() as redis:
        return await count(redis, keys.FIRST.day(workspace, utc_now().date()))


@asynccontextmanager
async def _stopped(valkey: EmbeddedValkey) -> AsyncIterator[None]:
    await valkey.stop()
    yield
    await valkey.start()


def _make_snapshot_the_base(folder: Path) -> None:
    """Have the server load its RDB file: with an append-only file it would look at nothing else."""
    journal = folder / "appendonlydir"
    shutil.rmtree(journal)
    journal.mkdir()
    (folder / "dump.rdb").rename(journal / "appendonly.aof.1.base.rdb")
    (journal / "appendonly.aof.manifest").write_text("file appendonly.aof.1.base.rdb seq 1 type b\n")
