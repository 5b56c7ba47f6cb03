"""The judges are judged: whatever a fault could leave behind, or make the API say, is noticed."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from headcount.wiring import load_config, utc_now
from projector import keys
from tests.faults import activity
from tests.faults.activity import SMALL_USERS
from tests.faults.drill import Drill
from tests.faults.load import Load
from tests.faults.oracle import Oracle, Verdict
from tests.faults.plant import Plant, Plants
from tests.faults.watcher import Answer, judge
from tests.support.waiting import scaled

Damage = Callable[[Redis], Awaitable[object]]

COPY_DATABASE = "1"
NOW = utc_now()
TODAY = NOW.date()


async def test_the_oracle_notices_each_damage(drill: Drill) -> None:
    async with drill("none", "nothing was broken") as exercise:
        await exercise.flows(records=200)
    plant, counters = drill.plant, exercise.load.truth.acknowledged
    counter = next(each for each in counters if each[0] in exercise.load.small)
    day, users = keys.FIRST.day(*counter), len(counters[counter])
    damages: list[tuple[Damage, str, int, int]] = [
        (lambda redis: redis.delete(day), "is missing", users, 0),
        (lambda redis: redis.sadd(day, 1, 2), "differs", 0, 2),
        (lambda redis: redis.expire(day, 1_000_000), "differs", 0, 0),
        (lambda redis: redis.sadd(keys.FIRST.day("nowhere", TODAY), 1), "is not in a clean projection", 0, 0),
        (
            lambda redis: redis.hincrby(keys.FIRST.checkpoints, f"{plant.topic}:0", -1),
            "is counted up to",
            0,
            0,
        ),
    ]
    for damage, words, lost, twice in damages:
        verdict = await _judge(plant, damage)
        assert len(verdict.wrong) == 1
        assert words in verdict.wrong[0]
        assert (verdict.lost, verdict.twice) == (lost, twice)


async def test_the_oracle_misses_a_dead_letter(plants: Plants) -> None:
    plant = await plants.get()
    for worker in plant.workers:
        await worker.stop()
    load = Load(plant.config(), small=["w"], big="big", seed=0, records_a_tick=0)
    await load.start()
    await load.publish(activity.poison(b"no event"))
    await load.stop()
    verdict = await _judge(plant, lambda redis: redis.ping())
    assert any("has no dead letter" in sentence for sentence in verdict.wrong)
    for worker in plant.workers:
        worker.start()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"users": {TODAY: 1}}, "had 1 users"),
        ({"users": {TODAY: 2}}, None),
        ({"users": {TODAY: 3}}, None),
        ({"users": {TODAY: 4}}, "had 4 users"),
        ({"users": {}}, "had 0 users"),
        ({"users": {}, "as_of": NOW - timedelta(seconds=2)}, None),
        ({"users": {TODAY: 2, TODAY - timedelta(days=1): 1}}, "true were 0 to 0"),
        ({"seconds": 1.6, "users": {TODAY: 2}}, "an answer took"),
        ({"status": 401, "as_of": None}, "answered 401"),
        ({"status": 500, "as_of": None}, "answered 500"),
        ({"status": 503, "as_of": None}, None),
    ],
)
def test_the_watcher_knows_a_wrong_answer(answer: dict[str, object], words: str | None) -> None:
    """Two users are acknowledged, a third was sent: any number from 2 to 3 is true."""
    load = Load(load_config({}), small=["w"], big="big", seed=0)
    load.truth.sent["w", TODAY] |= set(SMALL_USERS[:3])
    for user in SMALL_USERS[:2]:
        load.truth.acknowledged["w", TODAY][user] = NOW - timedelta(seconds=1)
    facts = {"workspace": "w", "status": 200, "instant": NOW, "as_of": NOW, "seconds": 0.1, "error": ""}
    given = Answer(**{**facts, "users": {}, **answer})  # type: ignore[arg-type]
    wrong = list(judge(replace(given, seconds=scaled(given.seconds)), load))
    assert len(wrong) == (words is not None)
    assert (words or "") in "".join(wrong)


async def _judge(plant: Plant, damage: Damage) -> Verdict:
    async with _copy(plant) as copy, Redis.from_url(plant.yardstick.url) as yardstick:
        await damage(copy)
        return await Oracle(plant.config(), copy, yardstick).judge()


@asynccontextmanager
async def _copy(plant: Plant) -> AsyncIterator[Redis]:
    """Copy the plant's database to another of the same Redis."""
    url = plant.valkey.url.removesuffix("0") + COPY_DATABASE
    async with plant.redis() as redis, Redis.from_url(url) as copy:
        async for key in redis.scan_iter(count=1000):
            await redis.copy(key, key, destination_db=COPY_DATABASE)
        yield copy
        await copy.flushdb()
