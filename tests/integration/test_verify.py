"""`headcount verify` on a real Kafka and a real Redis: the recount, the verdict and the exit code."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime, timedelta

import pytest
from redis.asyncio import Redis

from headcount.ops.verify.verification import open_verification
from projector import keys
from tests.support.deployment import Deployment, deployed, event
from tests.support.people import PSEUDONYMS

NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=1)
YESTERDAY = NOON.date()
DAY = keys.FIRST.day("acme", YESTERDAY)
LARGE = 600
COMMAND = ("verify", "--workspace", "acme", "--days", "3")


@pytest.fixture
async def deployment(
    kafka_bootstrap_servers: str, topic: str, redis_url: str, redis_client: Redis
) -> AsyncIterator[Deployment]:
    """A deployment that has counted forty people of yesterday, in two partitions, and some poison."""
    async with deployed(kafka_bootstrap_servers, topic, redis_url) as deployment:
        await deployment.publish(b"poison", *counted_users(range(20)))
        await deployment.publish(
            *counted_users(range(10, 40)), event("else", NOON, workspace_id="b"), partition=1
        )
        await deployment.count()
        yield deployment


def counted_users(numbers: Iterable[int]) -> list[bytes]:
    return [event(f"user-{number}", NOON) for number in numbers]


async def test_true_answers_are_told_so(deployment: Deployment) -> None:
    ended = await deployment.headcount(*COMMAND)
    assert (ended.exit_code, ended.stderr) == (0, "")
    table = [line.split() for line in ended.text.splitlines()[:4]]
    assert table[2] == [str(YESTERDAY), "40", "40", "0", "0.00", "%", "exact", "yes"]
    assert [row[1:] for row in (table[1], table[3])] == 2 * [["0", "0", "0", "-", "exact", "yes"]]
    assert "\nEvery answer is within its bound.\nTime zone of the days: UTC; every event up to " in ended.text
    assert ended.text.endswith("\nRecords read: 52.\n")


async def test_a_counter_that_lacks_or_holds_too_much_is_found(
    deployment: Deployment, redis_client: Redis
) -> None:
    await redis_client.srem(DAY, *PSEUDONYMS.of("acme", ["user-1"]))
    lacking = await deployment.headcount(*COMMAND, "--json")
    assert (lacking.exit_code, lacking.json["within"]) == (1, False)
    assert lacking.json["days"][1] == {
        "day": str(YESTERDAY),
        "exact": 40,
        "answered": 39,
        "error": -1,
        "error_percent": -2.5,
        "bound_percent": 0.0,
        "within": False,
    }
    await redis_client.sadd(DAY, *PSEUDONYMS.of("acme", ["user-1", "nobody"]))
    too_many = await deployment.headcount(*COMMAND)
    assert too_many.exit_code == 1
    row = too_many.text.splitlines()[2].split()
    assert row == [str(YESTERDAY), "40", "41", "+1", "2.50", "%", "exact", "NO"]
    assert "Answers outside their bound: 1." in too_many.text


async def test_an_estimate_has_a_bound_that_is_told(deployment: Deployment) -> None:
    await deployment.publish(*counted_users(range(LARGE)))
    await deployment.count()
    ended = await deployment.headcount(*COMMAND, "--json")
    day = ended.json["days"][1]
    assert (ended.exit_code, day["exact"], day["bound_percent"], day["within"]) == (0, LARGE, 2.44, True)
    told = await deployment.headcount(*COMMAND)
    assert "The bound of an estimate is 3 standard errors of 0.81 %." in told.text


async def test_what_retention_removed_can_not_be_told(deployment: Deployment) -> None:
    """The records were stamped today: the log may have lost events of every day until then."""
    await deployment.drop_records(up_to=21)
    ended = await deployment.headcount(*COMMAND)
    assert ended.exit_code == 3
    assert "unknown" in ended.text
    assert f"The log may have lost events of days up to {datetime.now(UTC).date()}." in ended.text


async def test_what_a_worker_counts_meanwhile_is_in_neither_number(deployment: Deployment) -> None:
    async with open_verification(deployment.config, "acme", 3) as verification:
        await deployment.publish(*counted_users(range(100, 120)), partition=2)
        await deployment.count()
        report = await verification.report()
    assert (report.within, report.days[1].exact, report.days[1].answered) == (True, 40, 40)


async def test_a_worker_under_load_does_not_disturb(deployment: Deployment) -> None:
    async with deployment.worker():
        ended, _ = await asyncio.gather(
            deployment.program(*COMMAND, "--json"),
            deployment.publish(*counted_users(range(200, 400)), partition=2),
        )
    assert (ended.exit_code, ended.json["within"]) == (0, True)


async def test_what_can_not_be_told_has_an_exit_code_of_its_own(
    deployment: Deployment, redis_client: Redis
) -> None:
    await redis_client.delete(keys.FIRST.as_of)
    catching_up = await deployment.headcount(*COMMAND)
    assert (catching_up.exit_code, catching_up.stdout) == (3, b"")
    assert catching_up.stderr.startswith("headcount: The projection is catching up with the log")
    other_zone = await deployment.with_settings(TIME_ZONE="Asia/Tokyo").headcount(*COMMAND)
    assert other_zone.exit_code == 3
    await redis_client.flushdb()
    empty = await deployment.headcount(*COMMAND)
    assert (empty.exit_code, empty.stderr.startswith("headcount: Redis at ")) == (3, True)
    assert "holds no checkpoint" in empty.stderr


async def test_a_workspace_that_nobody_knows_is_told(deployment: Deployment) -> None:
    ended = await deployment.headcount("verify", "--workspace", "acmee")
    assert ended.exit_code == 0
    assert "No activity in workspace acmee on these days." in ended.text
