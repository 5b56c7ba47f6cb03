"""`headcount audit` on a real Kafka and a real Redis: damage is found, named and mended, and that is all."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis.asyncio import Redis

from projector import keys
from tests.support.deployment import Deployment, deployed, event
from tests.support.people import PSEUDONYMS

NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=1)
DAY = NOON.date()
CACHED_COUNT = slice(8, 16)


@pytest.fixture
async def deployment(
    kafka_bootstrap_servers: str, topic: str, redis_url: str, redis_client: Redis
) -> AsyncIterator[Deployment]:
    """A deployment that has counted forty people, in two partitions, and some poison."""
    async with deployed(kafka_bootstrap_servers, topic, redis_url) as deployment:
        await deployment.publish(b"poison", *(event(f"user-{number}", NOON) for number in range(20)))
        await deployment.publish(*(event(f"user-{number}", NOON) for number in range(10, 40)), partition=1)
        await deployment.count()
        yield deployment


async def contents(redis: Redis) -> dict[Any, bytes]:
    """Read all there is, but for the counts that HyperLogLogs cache."""
    found: dict[Any, bytes] = {}
    for key in await redis.keys():
        if await redis.type(key) == b"string":
            counter: Any = await redis.get(key)
            found[key] = counter[: CACHED_COUNT.start] + counter[CACHED_COUNT.stop :]
        else:
            found[key] = await redis.dump(key) or b""
    return found


async def test_a_whole_deployment_is_told_so_and_left_as_it_is(
    deployment: Deployment, redis_client: Redis
) -> None:
    before = await contents(redis_client)
    ended = await deployment.headcount("audit")
    assert (ended.exit_code, ended.stderr) == (0, "")
    assert ended.text == "Every counter matches the log.\nRecords read: 51.\n"
    assert await contents(redis_client) == before


async def test_damage_is_found_without_a_write_and_mended_on_request(
    deployment: Deployment, redis_client: Redis
) -> None:
    """A deleted and an incomplete counter are byte-equal again; a key that is something else stays."""
    day, bucket = keys.FIRST.day("acme", DAY), keys.FIRST.bucket("acme", int(NOON.timestamp()) // 900)
    whole = await contents(redis_client)
    await redis_client.delete(day, bucket)
    await redis_client.sadd(bucket, *PSEUDONYMS.of("acme", ["user-1"]))
    damaged = await contents(redis_client)
    found = await deployment.headcount("audit", "--json")
    assert found.exit_code == 1
    assert [(each["day"], each["bucket"], each["state"]) for each in found.json["damaged"]] == [
        (None, NOON.strftime("%Y-%m-%dT%H:%M:%SZ"), "incomplete"),
        (str(DAY), None, "missing"),
    ]
    assert await contents(redis_client) == damaged

    mended = await deployment.headcount("audit", "--repair")
    assert mended.exit_code == 0
    assert f"acme\t{DAY}" in mended.text
    assert await contents(redis_client) == whole
    assert await redis_client.ttl(day) > 0

    await redis_client.delete(day)
    await redis_client.rpush(day, "x")
    hopeless = await deployment.headcount("audit", "--repair", "--json")
    assert hopeless.exit_code == 1
    assert [(each["state"], each["repaired"]) for each in hopeless.json["damaged"]] == [
        ("not-a-counter", False)
    ]


async def test_what_retention_removed_is_surplus_and_no_damage(
    deployment: Deployment, redis_client: Redis
) -> None:
    await deployment.drop_records(up_to=21)
    ended = await deployment.headcount("audit", "--json")
    assert ended.exit_code == 0
    assert ended.json == {
        "whole": True,
        "records": 30,
        "damaged": [],
        "surplus": {"counters": 2, "first_day": str(DAY), "last_day": str(DAY)},
    }


async def test_a_worker_may_go_on_meanwhile(deployment: Deployment) -> None:
    async with deployment.worker():
        ended, _ = await asyncio.gather(
            deployment.program("audit", "--json"),
            deployment.publish(*(event(f"late-{number}", NOON) for number in range(50)), partition=2),
        )
    assert (ended.exit_code, ended.json["whole"]) == (0, True)


async def test_what_can_not_be_told_has_an_exit_code_of_its_own(
    deployment: Deployment, redis_client: Redis
) -> None:
    other_zone = await deployment.with_settings(TIME_ZONE="Asia/Tokyo").headcount("audit")
    assert (other_zone.exit_code, other_zone.stdout) == (3, b"")
    assert other_zone.stderr.startswith(
        "headcount: Redis holds counters for TIME_ZONE='UTC', but this process"
    )
    await redis_client.hset(keys.ONLY.deployment, "topic_id", "another")
    recreated = await deployment.headcount("audit", "--repair")
    assert (recreated.exit_code, recreated.stderr.startswith("headcount: The topic was recreated")) == (
        3,
        True,
    )
    await redis_client.flushdb()
    empty = await deployment.headcount("audit")
    assert (empty.exit_code, "holds no checkpoint" in empty.stderr) == (3, True)
    assert await redis_client.keys() == []
