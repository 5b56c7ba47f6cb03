"""`headcount forget` on a real Kafka and a real Redis: out of every counter, and never in one again."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis.asyncio import Redis

from projector import keys
from projector.checkpoints import read_progress
from tests.support.deployment import Deployment, deployed, event
from tests.support.people import PSEUDONYMS, as_stored, count
from tests.support.waiting import wait_until

NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=1)
DAY = NOON.date()
LARGE = 513
"""One more than are counted exactly."""


@pytest.fixture
async def deployment(
    kafka_bootstrap_servers: str, topic: str, redis_url: str, redis_client: Redis
) -> AsyncIterator[Deployment]:
    async with deployed(kafka_bootstrap_servers, topic, redis_url) as deployment:
        yield deployment


async def count_people(deployment: Deployment, workspace_id: str, counted_users: int) -> None:
    """Publish the same people of a workspace, and have them counted."""
    some = [event(f"user-{number}", NOON, workspace_id=workspace_id) for number in range(counted_users)]
    await deployment.publish(*some)
    await deployment.count()


async def counters(redis: Redis) -> dict[str, bytes]:
    live = keys.ONLY.generation((await read_progress(redis)).generation)
    found = [key async for key in redis.scan_iter(live.every) if live.counter(key.decode()) is not None]
    return {str(live.counter(key.decode())): value for key, value in (await as_stored(redis, found)).items()}


def pseudonym_of(user_id: str, workspace_id: str = "acme") -> bytes:
    (pseudonym,) = PSEUDONYMS.of(workspace_id, [user_id])
    return pseudonym.encode()


async def knows(redis: Redis, pseudonym: bytes) -> bool:
    """Tell whether any key but the list of who is to be forgotten holds a pseudonym."""
    others = [key async for key in redis.scan_iter() if key != keys.ONLY.forgotten.encode()]
    contents: list[Any] = [await redis.smembers(key) for key in others if await redis.type(key) == b"set"]
    return any(pseudonym in members for members in contents)


async def test_a_user_is_out_of_every_exact_counter_at_once(
    deployment: Deployment, redis_client: Redis
) -> None:
    await count_people(deployment, "acme", 3)
    await count_people(deployment, "other", 3)
    before = await counters(redis_client)
    ended = await deployment.headcount("forget", "--workspace", "acme", "--user", "user-1", "--yes", "--json")
    assert (ended.exit_code, ended.stderr) == (0, "")
    assert ended.json == {
        "forgotten": {"workspace_id": "acme", "known": False, "removed": 2, "estimates": 0},
        "rebuild": None,
    }
    assert not await knows(redis_client, pseudonym_of("user-1"))
    after = await counters(redis_client)
    assert {name for name in before if before[name] != after[name]} == {
        name for name in before if "acme" in name
    }
    assert await count(redis_client, keys.FIRST.day("acme", DAY)) == 2
    assert await count(redis_client, keys.FIRST.day("other", DAY)) == 3, "the same id elsewhere is another's"
    assert await redis_client.smembers(keys.ONLY.forgotten) == {b"acme:" + pseudonym_of("user-1")}


async def test_nothing_brings_a_forgotten_user_back(deployment: Deployment, redis_client: Redis) -> None:
    """Neither a worker that runs all the while, nor a replay, nor a repair, nor a rebuild."""
    await count_people(deployment, "acme", 3)
    async with deployment.worker():
        await wait_until(deployment.is_caught_up, deadline_seconds=20)
        ended = await deployment.program("forget", "--workspace", "acme", "--user", "user-1", "--yes")
        assert ended.exit_code == 0
        await deployment.publish(event("user-1", NOON), event("user-9", NOON))
        await wait_until(deployment.is_caught_up, deadline_seconds=20)
        assert await count(redis_client, keys.FIRST.day("acme", DAY)) == 3
    assert not await knows(redis_client, pseudonym_of("user-1"))
    assert (await deployment.headcount("audit", "--repair")).exit_code == 0
    assert not await knows(redis_client, pseudonym_of("user-1"))
    before = await counters(redis_client)
    assert (await deployment.headcount("rebuild")).exit_code == 0
    assert await counters(redis_client) == before
    await redis_client.delete(keys.ONLY.generation(1).checkpoints)
    await deployment.count()
    assert await counters(redis_client) == before


async def test_an_estimate_is_counted_anew(deployment: Deployment, redis_client: Redis) -> None:
    """Without the 513th it is no estimate any more; nobody else's counters change."""
    await count_people(deployment, "acme", LARGE)
    await count_people(deployment, "other", 3)
    before = await counters(redis_client)
    ended = await deployment.headcount("forget", "--workspace", "acme", "--user", "user-1", "--yes")
    assert (ended.exit_code, ended.stderr) == (0, "")
    assert "The workspace also has 2 estimates" in ended.text
    assert "\nForgotten users that were excluded: 1.\n" in ended.text
    assert "without" not in ended.text
    assert ended.text.endswith("Records read: 516. The new counters are live.\n")
    after = await counters(redis_client)
    assert {name for name in before if before[name] != after[name]} == {
        name for name in before if "acme" in name
    }
    assert await redis_client.scard(keys.ONLY.generation(1).day("acme", DAY)) == LARGE - 1
    assert not await knows(redis_client, pseudonym_of("user-1"))


async def test_an_estimate_may_be_left_for_later(deployment: Deployment, redis_client: Redis) -> None:
    await count_people(deployment, "acme", LARGE)
    forget = ("forget", "--workspace", "acme", "--user", "user-1", "--yes", "--json")
    ended = await deployment.headcount(*forget, "--no-rebuild")
    assert (ended.exit_code, ended.json["rebuild"]) == (0, None)
    assert (await read_progress(redis_client)).generation == 0
    again = await deployment.headcount(*forget)
    assert (again.json["forgotten"]["known"], again.json["rebuild"]["replaced"]) == (True, True)
    assert again.json["rebuild"]["changes"] == [{"field": "without", "was": "0", "now": "2"}]


async def test_a_log_that_no_longer_reaches_back_is_not_counted_instead(
    deployment: Deployment, redis_client: Redis
) -> None:
    await count_people(deployment, "acme", LARGE)
    await deployment.drop_records(up_to=10)
    refused = await deployment.headcount("forget", "--workspace", "acme", "--user", "user-1", "--yes")
    assert refused.exit_code == 1
    assert "The log no longer holds all users" in refused.stderr
    assert await count(redis_client, keys.FIRST.day("acme", DAY)) > 500


async def test_under_another_key_nobody_is_forgotten(deployment: Deployment, redis_client: Redis) -> None:
    """Their pseudonym would be another's, and they would be counted on."""
    await count_people(deployment, "acme", 3)
    other = deployment.with_settings(USER_ID_HASH_KEY="another key for tests, as long as it has to be")
    refused = await other.headcount("forget", "--workspace", "acme", "--user", "user-1", "--yes")
    assert (refused.exit_code, "USER_ID_HASH_KEY" in refused.stderr) == (1, True)
    assert not await redis_client.exists(keys.ONLY.forgotten)


async def test_a_lost_key_brings_forgotten_users_back_only_on_demand(
    deployment: Deployment, redis_client: Redis
) -> None:
    await count_people(deployment, "acme", 3)
    forget = ("forget", "--workspace", "acme", "--user", "user-1", "--yes")
    assert (await deployment.headcount(*forget)).exit_code == 0
    rekeyed = deployment.with_settings(USER_ID_HASH_KEY="another key for tests, as long as it has to be")
    rebuild = ("rebuild", "--change", "USER_ID_HASH_KEY")
    refused = await rekeyed.headcount(*rebuild)
    assert (refused.exit_code, "run headcount forget for each of them afterwards" in refused.stderr) == (
        1,
        True,
    )
    assert (await rekeyed.headcount(*rebuild, "--yes")).exit_code == 0
    assert (await rekeyed.headcount(*forget)).exit_code == 0
    live = keys.ONLY.generation((await read_progress(redis_client)).generation)
    assert await count(redis_client, live.day("acme", DAY)) == 2


async def test_what_is_answered_afterwards_is_verified(deployment: Deployment) -> None:
    await count_people(deployment, "acme", 3)
    verify = ("verify", "--workspace", "acme", "--days", "2", "--json")
    before = await deployment.headcount(*verify)
    assert [(day["exact"], day["answered"]) for day in before.json["days"]] == [(3, 3), (0, 0)]
    assert (
        await deployment.headcount("forget", "--workspace", "acme", "--user", "user-1", "--yes")
    ).exit_code == 0
    after = await deployment.headcount(*verify)
    assert (after.exit_code, after.stderr) == (0, "")
    assert [(day["exact"], day["answered"]) for day in after.json["days"]] == [(2, 2), (0, 0)]
