"""`headcount status` and `headcount gaps` on a real Kafka and a real Redis: all is well, or what is not."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from redis.asyncio import Redis

from headcount.ops.status import read_status
from headcount.wiring import utc_now
from projector import keys
from tests.support.deployment import Deployment, deployed, event
from tests.support.waiting import wait_until

NO_WORKER = "No worker is running: no event is counted."
NOT_WHOLE = "The counters don't cover the whole log yet: the API answers 503."


@pytest.fixture
async def deployment(
    kafka_bootstrap_servers: str, topic: str, redis_url: str, redis_client: Redis
) -> AsyncIterator[Deployment]:
    async with deployed(kafka_bootstrap_servers, topic, redis_url) as deployment:
        yield deployment


async def test_a_deployment_that_is_well_passes_the_check(deployment: Deployment) -> None:
    await deployment.publish(event("anna"))
    async with deployment.worker():
        await wait_until(deployment.is_caught_up, message="everything was counted")
        ended = await deployment.program("status", "--check", "--json")
    assert ended.exit_code == 0
    assert (ended.json["workers"], ended.json["lag"], ended.json["catching_up"]) == (1, 0, False)
    assert ended.json["as_of_age_seconds"] < 10
    assert (ended.json["gaps"], ended.json["concerns"]) == ([], [])


async def test_what_was_never_counted_is_told_and_only_a_check_fails(deployment: Deployment) -> None:
    shown = await deployment.headcount("status")
    checked = await deployment.headcount("status", "--check", "--json")
    assert (shown.exit_code, checked.exit_code) == (0, 1)
    assert f"! {NO_WORKER}\n! {NOT_WHOLE}\n" in shown.text
    no_worker, not_whole, nowhere = checked.json["concerns"]
    assert (no_worker, not_whole) == (NO_WORKER, NOT_WHOLE)
    assert nowhere.startswith(f"Redis at {deployment.config.redis.url_redacted} holds no checkpoint: ")


async def test_events_that_are_too_old_are_shown_by_cause(deployment: Deployment) -> None:
    """A producer that takes seconds for milliseconds publishes events of January 1970."""
    seconds = [datetime.fromtimestamp(utc_now().timestamp() / 1000 + each, UTC) for each in range(48)]
    late = utc_now() - timedelta(days=900)
    await deployment.publish(*(event(f"user-{each:%H%M%S}", each) for each in seconds), event("bert", late))
    await deployment.publish(event("anna"), event("cleo", datetime(1, 1, 1, tzinfo=UTC)))
    await deployment.count()

    status = await deployment.headcount("status", "--json")
    assert {each["cause"]: each["events"] for each in status.json["expired"]} == {
        "older-than-retention": 1,
        "seconds-for-milliseconds": 48,
        "epoch-zero": 1,
    }
    assert status.json["concerns"][-1] == (
        "Events arrive that are older than the retention "
        "(older-than-retention, seconds-for-milliseconds, epoch-zero): they are in no counter. "
        "Correct their producers; headcount doctor says how."
    )
    shown = await deployment.headcount("status")
    assert (
        "Not counted because they are older than the retention: 50 events (older-than-retention 1, "
        "seconds-for-milliseconds 48, epoch-zero 1), the last at "
    ) in shown.text


async def test_a_rollback_is_named_for_a_day(deployment: Deployment, redis_client: Redis) -> None:
    await deployment.publish(event("anna"))
    async with deployment.worker():
        await wait_until(deployment.is_caught_up, deadline_seconds=20, message="everything was counted")
        assert (await read_status(deployment.config)).rolled_back_at is None
        await redis_client.flushdb()

        async def is_recorded() -> bool:
            return (await read_status(deployment.config)).rolled_back_at is not None

        await wait_until(is_recorded, deadline_seconds=20, message="the loss was recorded")
        await wait_until(deployment.is_caught_up, deadline_seconds=20, message="it was counted again")
    await redis_client.flushdb()  # and once more, while no worker runs
    await deployment.count()
    named = [each for each in await concerns(deployment) if each.startswith("Redis was found to have lost")]
    assert len(named) == 1
    long_ago = str(int((utc_now() - timedelta(hours=25)).timestamp() * 1000))
    await redis_client.hset(keys.ONLY.deployment, "rolled_back_at", long_ago)
    assert not [each for each in await concerns(deployment) if "lost writes" in each]


async def concerns(deployment: Deployment) -> list[str]:
    return [*(await read_status(deployment.config)).concerns]


async def test_old_counters_and_gaps_are_named_until_they_are_mended_or_acknowledged(
    deployment: Deployment, redis_client: Redis
) -> None:
    await deployment.publish(event("anna"), event("bert"))
    await deployment.count()
    await deployment.publish(event("carl"), event("dora"), event("emil"))
    await deployment.drop_records(up_to=4)  # before two of them were counted
    await deployment.count()
    await redis_client.hset(keys.FIRST.as_of, f"{deployment.config.kafka.topic}:3", "1767225600000")
    today = str(utc_now().date())

    status = await deployment.headcount("status", "--json")
    assert status.json["as_of"] == "2026-01-01T00:00:00Z"
    no_worker, old, lost = status.json["concerns"]
    assert no_worker == NO_WORKER
    assert old.startswith("The counters are ")
    assert lost == "Records in 1 place of the log were never counted: see headcount gaps list"
    (gap,) = status.json["gaps"]
    assert (gap["cause"], gap["checkpoint"], gap["beginning"], gap["end"]) == ("retention", 2, 4, 5)
    assert gap["first_day"] <= gap["last_day"] == today

    listed = await deployment.headcount("gaps", "list")
    assert "retention removed 2 to 3 before they were counted" in listed.text
    acknowledged = await deployment.headcount("gaps", "acknowledge", "--json")
    assert acknowledged.json == [gap]
    nothing = await deployment.headcount("gaps", "list")
    everything = await deployment.headcount("gaps", "list", "--all", "--json")
    assert nothing.text == "No open gaps.\n"
    assert everything.json == [gap]
    assert len((await read_status(deployment.config)).concerns) == 2
