"""Workers of one group on a real Kafka: they share the partitions, come and go, and nothing is missing."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from redis.asyncio import Redis

from headcount.composition import serve_worker, utc_now
from headcount.publisher import open_publisher
from headcount.status import read_status
from ingest.tally import Tally
from projector import keys
from tests.deployment import Deployment, deployed, event
from tests.waiting import wait_until

SECONDS = 45.0
PARTITIONS = 4
BACKLOG = 20_000
WORKSPACES = 1_000


@pytest.fixture
async def deployment(
    kafka_bootstrap_servers: str, topic: str, redis_url: str, redis_client: Redis
) -> AsyncIterator[Deployment]:
    async with deployed(kafka_bootstrap_servers, topic, redis_url) as deployment:
        yield deployment


class Member:
    """A worker of the group, as a process would run it."""

    def __init__(self, deployment: Deployment) -> None:
        self.tally = Tally()
        self._stopping = asyncio.Event()
        self._serving = asyncio.create_task(
            serve_worker(deployment.settings, self._stopping, tally=self.tally)
        )

    async def leave(self) -> None:
        """Stop it as SIGTERM does."""
        self._stopping.set()
        await self._serving


async def publish_backlog(deployment: Deployment, first: int) -> None:
    """Publish events, each of a user of its own, of many workspaces and to all partitions."""
    async with open_publisher(deployment.settings) as publisher:
        for number in range(first, first + BACKLOG):
            await publisher.publish(event(str(number), workspace_id=f"w-{number % WORKSPACES}"))
        await publisher.flush()


async def count_users(redis: Redis) -> int:
    """Add up the workspaces; of so few users each, a counter is exact nearly always."""
    today = utc_now().date()
    async with redis.pipeline(transaction=False) as pipeline:
        for number in range(WORKSPACES):
            pipeline.pfcount(keys.day(f"w-{number}", today))
        counts: Sequence[int] = await pipeline.execute()
    return sum(counts)


async def plain_count(redis: Redis, total: int) -> int:
    """Count the same users with commands of our own."""
    async with redis.pipeline(transaction=False) as pipeline:
        for number in range(total):
            pipeline.pfadd(f"plain-{number % WORKSPACES}", str(number))
        await pipeline.execute()
        for number in range(WORKSPACES):
            pipeline.pfcount(f"plain-{number}")
        counts: Sequence[int] = await pipeline.execute()
    return sum(counts)


async def until_members(deployment: Deployment, number: int) -> None:
    async def are_members() -> bool:
        return (await read_status(deployment.settings)).workers == number

    await wait_until(are_members, deadline_seconds=SECONDS, message=f"the group had {number} members")


async def until_caught_up(deployment: Deployment) -> None:
    await wait_until(deployment.is_caught_up, deadline_seconds=SECONDS, message="everything was counted")


async def test_workers_share_a_backlog_and_one_leaves_in_the_middle(
    deployment: Deployment, redis_client: Redis
) -> None:
    members = [Member(deployment), Member(deployment)]
    await until_members(deployment, 2)
    await until_caught_up(deployment)
    publishing = asyncio.create_task(publish_backlog(deployment, 0))
    await wait_until(lambda: all(member.tally.records for member in members), deadline_seconds=SECONDS)
    await members[0].leave()
    await publishing
    await publish_backlog(deployment, BACKLOG)
    await until_caught_up(deployment)
    await members[1].leave()
    assert await count_users(redis_client) == await plain_count(redis_client, 2 * BACKLOG)
    assert sum(member.tally.gaps + member.tally.rollbacks for member in members) == 0


async def test_a_worker_that_joins_a_busy_one_makes_nothing_missing(
    deployment: Deployment, redis_client: Redis
) -> None:
    """The backlog is long enough that the rebalance falls in the middle of it."""
    first = Member(deployment)
    await until_caught_up(deployment)
    publishing = asyncio.create_task(publish_backlog(deployment, 0))
    await wait_until(lambda: first.tally.records, deadline_seconds=SECONDS)
    second = Member(deployment)
    await wait_until(lambda: second.tally.batches, deadline_seconds=SECONDS)
    await publishing
    await until_caught_up(deployment)
    await first.leave()
    await second.leave()
    assert await count_users(redis_client) == await plain_count(redis_client, BACKLOG)


async def test_workers_without_partitions_wait_to_take_over(
    deployment: Deployment, redis_client: Redis
) -> None:
    members = [Member(deployment) for _ in range(PARTITIONS + 1)]
    await until_members(deployment, PARTITIONS + 1)
    await until_caught_up(deployment)
    for member in members[1:]:
        await member.leave()
    await until_members(deployment, 1)
    for partition in range(PARTITIONS):
        await deployment.publish(event(str(partition), workspace_id="w-0"), partition=partition)
    await until_caught_up(deployment)
    await members[0].leave()
    assert await count_users(redis_client) == PARTITIONS
