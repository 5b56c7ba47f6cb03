"""Forgotten users stay forgotten after any loss in Redis, with the erasure log in a real Kafka."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from headcount.ops.erasures import open_erasure_log
from headcount.ops.status import read_status
from projector import keys
from projector.checkpoints import read_progress
from tests.support.deployment import Deployment, deployed, event
from tests.support.people import PSEUDONYMS, count
from tests.support.waiting import wait_until

NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=1)
DAY = keys.FIRST.day("acme", NOON.date())
LARGE = 600
FORGET = ("forget", "--workspace", "acme", "--user", "user-1", "--yes")
REMEMBER = ("remember", "--workspace", "acme", "--user", "user-1", "--yes")
(PSEUDONYM,) = PSEUDONYMS.of("acme", ["user-1"])


@pytest.fixture
async def deployment(
    kafka_bootstrap_servers: str, topic: str, redis_url: str, redis_client: Redis
) -> AsyncIterator[Deployment]:
    """A deployment that has counted three users of yesterday."""
    async with deployed(kafka_bootstrap_servers, topic, redis_url) as deployment:
        await deployment.publish(*people(3))
        await deployment.count()
        yield deployment


def people(number: int) -> list[bytes]:
    return [event(f"user-{each}", NOON) for each in range(number)]


async def copy_of(redis: Redis) -> dict[bytes, Any]:
    return {key: await redis.dump(key) async for key in redis.scan_iter()}


async def restore_copy(redis: Redis, copy: dict[bytes, Any]) -> None:
    """Restore Redis from an older copy, in one step."""
    async with redis.pipeline(transaction=True) as pipeline:
        pipeline.flushdb()
        for key, value in copy.items():
            pipeline.restore(key, 0, value)
        await pipeline.execute()


async def test_a_redis_that_lost_everything_gets_the_list_back(
    deployment: Deployment, redis_client: Redis
) -> None:
    assert await count(redis_client, DAY) == 3
    assert (await deployment.headcount(*FORGET)).exit_code == 0
    assert await count(redis_client, DAY) == 2
    await redis_client.flushdb()
    await deployment.count()
    assert await count(redis_client, DAY) == 2
    assert await redis_client.smembers(keys.ONLY.forgotten) == {f"acme:{PSEUDONYM}".encode()}
    assert not await redis_client.sismember(DAY, PSEUDONYM)


async def test_a_running_worker_restores_the_list_too(deployment: Deployment, redis_client: Redis) -> None:
    async with deployment.worker():
        await wait_until(deployment.is_caught_up, deadline_seconds=20)
        assert (await deployment.program(*FORGET)).exit_code == 0
        await redis_client.flushdb()
        await wait_until(deployment.is_caught_up, deadline_seconds=20)
        assert await count(redis_client, DAY) == 2


@pytest.mark.parametrize("is_running", [True, False])
async def test_an_older_copy_is_erased_before_the_api_answers(
    deployment: Deployment, redis_client: Redis, *, is_running: bool
) -> None:
    """Its checkpoints are current: only the list shows that it is older."""
    copy = await copy_of(redis_client)
    if is_running:
        async with deployment.worker():
            await wait_until(deployment.is_caught_up, deadline_seconds=20)
            assert (await deployment.program(*FORGET)).exit_code == 0
            await wait_until(deployment.is_caught_up, deadline_seconds=20)
            await restore_copy(redis_client, copy)
            await wait_until(lambda: is_clean(redis_client), deadline_seconds=20)
            await wait_until(deployment.is_caught_up, deadline_seconds=20)
    else:
        assert (await deployment.headcount(*FORGET)).exit_code == 0
        await restore_copy(redis_client, copy)
        with capture_logs() as lines:
            await count_until_clean(deployment, redis_client)
        (restored,) = [line for line in lines if line["event"].startswith("restored the list of forgotten")]
        assert (restored["log_level"], restored["forgotten"], restored["removed"]) == ("warning", 1, 2)
    assert await count(redis_client, DAY) == 2
    assert (await deployment.headcount("verify", "--workspace", "acme", "--days", "2")).exit_code == 0


async def is_clean(redis: Redis) -> bool:
    return not await redis.sismember(DAY, PSEUDONYM)


async def count_until_clean(deployment: Deployment, redis: Redis) -> None:
    """Run a worker; a restored copy has an as-of, and so looks complete at first."""
    async with deployment.worker():
        await wait_until(lambda: is_clean(redis), deadline_seconds=20, message="the user was erased")
        await wait_until(deployment.is_caught_up, deadline_seconds=20, message="everything was counted")


async def test_a_forget_that_redis_lost_at_once_is_found_in_the_log(
    deployment: Deployment, redis_client: Redis
) -> None:
    """As after a failover to a replica that was behind: the worker never saw another revision."""
    async with deployment.worker():
        await wait_until(deployment.is_caught_up, deadline_seconds=20)
        async with open_erasure_log(deployment.config) as log:
            await log.append([f"acme:{PSEUDONYM}"], "forgotten")
        await wait_until(lambda: is_clean(redis_client), deadline_seconds=20)
        await wait_until(deployment.is_caught_up, deadline_seconds=20)
    assert await count(redis_client, DAY) == 2


async def test_a_user_forgotten_before_the_log_existed_is_added_to_it(
    deployment: Deployment, redis_client: Redis
) -> None:
    await redis_client.sadd(keys.ONLY.forgotten, f"acme:{PSEUDONYM}")
    await redis_client.hincrby(keys.ONLY.deployment, "forgotten", 1)
    await count_until_clean(deployment, redis_client)
    async with open_erasure_log(deployment.config) as log:
        assert {each: entry.action for each, entry in (await log.read()).entries.items()} == {
            f"acme:{PSEUDONYM}": "forgotten"
        }
    await redis_client.flushdb()
    await deployment.count()
    assert await count(redis_client, DAY) == 2


async def test_foreign_records_in_the_topic_are_skipped(deployment: Deployment, redis_client: Redis) -> None:
    topic = deployment.config.kafka.topic + ".erasures"
    good = b'{"action": "forgotten", "at": "2026-01-01T00:00:00Z"}'
    for key in (b"\xff", b"acme", b"acme:", b"acme:x", b":1", b"a b:1", b"acme:" + b"9" * 99):
        await deployment.publish(good, topic=topic, key=key)
    for value in (b"\xff", b"1", b"{}", good.replace(b"forgotten", b"liked"), None):
        await deployment.publish(value, topic=topic, key=f"acme:{PSEUDONYM}".encode())
    await deployment.count()
    assert await count(redis_client, DAY) == 3
    assert not await redis_client.exists(keys.ONLY.forgotten)
    await deployment.publish(good, topic=topic, key=f"acme:{PSEUDONYM}".encode())
    await count_until_clean(deployment, redis_client)
    assert await count(redis_client, DAY) == 2


async def test_a_rebuild_restores_the_list_first(deployment: Deployment, redis_client: Redis) -> None:
    copy = await copy_of(redis_client)
    assert (await deployment.headcount(*FORGET)).exit_code == 0
    await restore_copy(redis_client, copy)
    assert (await deployment.headcount("rebuild")).exit_code == 0
    live = keys.ONLY.generation((await read_progress(redis_client)).generation)
    assert await count(redis_client, live.day("acme", NOON.date())) == 2


async def test_a_remembered_user_is_counted_again_and_stays_so(
    deployment: Deployment, redis_client: Redis
) -> None:
    forgotten = await deployment.headcount(*FORGET)
    assert forgotten.exit_code == 0
    copy = await copy_of(redis_client)
    ended = await deployment.headcount(*REMEMBER)
    assert (ended.exit_code, ended.stderr) == (0, "")
    assert ended.text.startswith("Recorded; events from now on are counted in acme.\n")
    assert ended.text.endswith("The new counters are live.\n")
    live = keys.ONLY.generation((await read_progress(redis_client)).generation)
    assert await count(redis_client, live.day("acme", NOON.date())) == 3
    await restore_copy(redis_client, copy)  # in which the user is forgotten
    await deployment.publish(event("user-1", NOON))
    await deployment.count()
    assert await count(redis_client, DAY) == 3
    assert not await redis_client.exists(keys.ONLY.forgotten)
    again = await deployment.headcount(*REMEMBER, "--json")
    assert again.json == {"remembered": {"workspace_id": "acme", "known": False}, "rebuild": None}


async def test_a_warning_reports_estimates_of_an_older_copy_until_a_rebuild(
    deployment: Deployment, redis_client: Redis
) -> None:
    await deployment.publish(*people(LARGE))
    await deployment.count()
    copy = await copy_of(redis_client)
    assert (await deployment.headcount(*FORGET, "--no-rebuild")).exit_code == 0
    assert await rebuild_is_due(deployment)
    assert (await deployment.headcount("rebuild")).exit_code == 0
    assert not await rebuild_is_due(deployment)
    await restore_copy(redis_client, copy)
    assert not await rebuild_is_due(deployment)
    with capture_logs() as lines:
        async with deployment.worker():
            await wait_until(lambda: rebuild_is_due(deployment), deadline_seconds=20)
            await wait_until(deployment.is_caught_up, deadline_seconds=20)
    (warned,) = [line for line in lines if line["event"].startswith("estimates may contain forgotten users")]
    assert (warned["log_level"], warned["estimates"]) == ("warning", 2)
    assert (await deployment.headcount("rebuild")).exit_code == 0
    assert not await rebuild_is_due(deployment)


async def rebuild_is_due(deployment: Deployment) -> bool:
    status = await read_status(deployment.config)
    return any(each.endswith("Run headcount rebuild.") for each in status.concerns)


async def test_forget_asks_and_has_a_dry_run(deployment: Deployment, redis_client: Redis) -> None:
    before = await copy_of(redis_client)
    unanswered = await deployment.program(*FORGET[:-1])
    assert (unanswered.exit_code, unanswered.stdout) == (1, b"")
    assert unanswered.stderr == (
        "headcount: This command asks for confirmation, but stdin is not a terminal: add --yes.\n"
    )
    looked = await deployment.headcount(*FORGET[:-1], "--dry-run")
    assert (looked.exit_code, looked.text) == (
        0,
        "The user is in 2 exact counters of acme. Nothing was changed.\n",
    )
    nobody = await deployment.headcount("forget", "--workspace", "acme", "--user", "nobody", "--dry-run")
    assert nobody.text == "The user is in no exact counter of acme. Nothing was changed.\n"
    assert await copy_of(redis_client) == before
    done = await deployment.headcount("forget", "--workspace", "acme", "--user", "nobody", "--yes")
    assert done.text == "Recorded; the user was in no exact counter of acme.\n"
