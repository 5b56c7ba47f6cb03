"""Workers of one group on a real Kafka: they share the partitions, come and go, and nothing is missing."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from redis.asyncio import Redis

from headcount.ops.replay.publisher import Publisher, open_publisher
from headcount.ops.status import read_status
from headcount.wiring import utc_now
from headcount.worker import serve_worker
from ingest.worker.stats import Stats
from projector import keys
from tests.support.deployment import Deployment, deployed, event
from tests.support.waiting import wait_until

SECONDS = 45.0
PARTITIONS = 4
BURST = 500
WORKSPACES = 500


@pytest.fixture
async def deployment(
    kafka_bootstrap_servers: str, topic: str, redis_url: str, redis_client: Redis
) -> AsyncIterator[Deployment]:
    async with deployed(kafka_bootstrap_servers, topic, redis_url) as deployment:
        yield deployment


class Group:
    """Workers of a deployment, each as a process would run it; those that are left at the end leave then."""

    def __init__(self, deployment: Deployment, parts: AsyncExitStack) -> None:
        self._deployment = deployment
        self._parts = parts

    def join(self) -> "Member":
        member = Member(self._deployment)
        self._parts.push_async_callback(member.close_within)
        return member


class Member:
    """A worker of the group."""

    def __init__(self, deployment: Deployment) -> None:
        self.stats = Stats()
        self._stopping = asyncio.Event()
        self._serving = asyncio.create_task(
            serve_worker(deployment.worker_settings, self._stopping, stats=self.stats)
        )

    async def close_within(self) -> None:
        """Stop it as SIGTERM does."""
        self._stopping.set()
        await self._serving

    async def until_counting(self) -> None:
        """Wait until it has counted more than it has by now."""
        records = self.stats.records
        await wait_until(lambda: self.stats.records > records, deadline_seconds=SECONDS)


@pytest.fixture
async def group(deployment: Deployment) -> AsyncIterator[Group]:
    async with AsyncExitStack() as parts:
        yield Group(deployment, parts)


class Traffic:
    """Events that keep coming, each of a user of its own."""

    def __init__(self) -> None:
        self.published = 0
        self.ending = asyncio.Event()

    async def publish(self, publisher: Publisher) -> None:
        while not self.ending.is_set():
            for number in range(self.published, self.published + BURST):
                await publisher.publish(event(str(number), workspace_id=f"w-{number % WORKSPACES}"))
            await publisher.flush()
            self.published += BURST


@asynccontextmanager
async def traffic_to(deployment: Deployment) -> AsyncIterator[Traffic]:
    """Publish to all partitions in turn, as long as the block lasts."""
    traffic = Traffic()
    async with open_publisher(deployment.config) as publisher, asyncio.TaskGroup() as tasks:
        tasks.create_task(traffic.publish(publisher))
        try:
            yield traffic
        finally:
            traffic.ending.set()


async def count_users(redis: Redis) -> int:
    """Add up the workspaces; of so few users each, every counter is exact."""
    today = utc_now().date()
    async with redis.pipeline(transaction=False) as pipeline:
        for number in range(WORKSPACES):
            pipeline.scard(keys.FIRST.day(f"w-{number}", today))
        counts: Sequence[int] = await pipeline.execute()
    return sum(counts)


async def until_members(deployment: Deployment, number: int) -> None:
    async def are_members() -> bool:
        return (await read_status(deployment.config)).workers == number

    await wait_until(are_members, deadline_seconds=SECONDS, message=f"the group had {number} members")


async def until_caught_up(deployment: Deployment) -> None:
    await wait_until(deployment.is_caught_up, deadline_seconds=SECONDS, message="everything was counted")


async def test_a_worker_joins_and_one_leaves_in_the_midst_of_traffic(
    deployment: Deployment, group: Group, redis_client: Redis
) -> None:
    async with traffic_to(deployment) as traffic:
        first = group.join()
        await first.until_counting()
        second = group.join()
        await second.until_counting()
        await first.until_counting()
        await first.close_within()
        await second.until_counting()
    await until_caught_up(deployment)
    assert await count_users(redis_client) == traffic.published
    assert sum(member.stats.gaps.total() + member.stats.rollbacks for member in (first, second)) == 0


async def test_workers_without_partitions_wait_to_take_over(
    deployment: Deployment, group: Group, redis_client: Redis
) -> None:
    members = [group.join() for _ in range(PARTITIONS + 1)]
    await until_members(deployment, PARTITIONS + 1)
    await until_caught_up(deployment)
    for member in members[1:]:
        await member.close_within()
    await until_members(deployment, 1)
    for partition in range(PARTITIONS):
        await deployment.publish(event(str(partition), workspace_id="w-0"), partition=partition)
    await until_caught_up(deployment)
    assert await count_users(redis_client) == PARTITIONS
