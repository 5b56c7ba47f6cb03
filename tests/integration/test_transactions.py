"""Transactional producers: what was committed is counted, what was aborted is not, and no mark is lag."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaProducer
from redis.asyncio import Redis

from headcount.wiring import utc_now
from ingest.batch import Partition
from projector.checkpoints import read_progress
from projector.views.daily import RedisView
from tests.support.deployment import Deployment, deployed, event
from tests.support.waiting import wait_until


@pytest.fixture
async def deployment(
    kafka_bootstrap_servers: str, topic: str, redis_url: str, redis_client: Redis
) -> AsyncIterator[Deployment]:
    async with deployed(kafka_bootstrap_servers, topic, redis_url) as deployment:
        yield deployment


@asynccontextmanager
async def transactional(deployment: Deployment) -> AsyncIterator[AIOKafkaProducer]:
    config = deployment.config
    async with AIOKafkaProducer(
        bootstrap_servers=config.kafka.bootstrap_servers, transactional_id=config.kafka.topic
    ) as producer:
        await producer.begin_transaction()
        yield producer


async def send(producer: AIOKafkaProducer, deployment: Deployment, *user_ids: str) -> None:
    for user_id in user_ids:
        await producer.send_and_wait(deployment.config.kafka.topic, event(user_id), partition=0)


async def users_today(redis: Redis) -> int:
    counts = await RedisView(redis).daily_counts("acme", [utc_now().date()])
    return counts.users[0]


async def test_what_was_committed_is_counted_and_what_was_aborted_is_not(
    deployment: Deployment, redis_client: Redis
) -> None:
    async with transactional(deployment) as producer:
        await send(producer, deployment, "alice", "bob")
        await producer.commit_transaction()
        await producer.begin_transaction()
        await send(producer, deployment, "carol")
        await producer.abort_transaction()
    await deployment.publish(event("dave"))
    await deployment.count()
    assert await users_today(redis_client) == 3


async def test_the_marks_behind_transactions_leave_no_lag(
    deployment: Deployment, redis_client: Redis
) -> None:
    """The last offsets of the log then hold no record that a consumer is ever given."""
    async with deployment.worker():
        async with transactional(deployment) as producer:
            await send(producer, deployment, "alice")
            await producer.commit_transaction()
            await producer.begin_transaction()
            await send(producer, deployment, "bob")
            await producer.abort_transaction()
        published_at = utc_now()
        await wait_until(deployment.is_caught_up, deadline_seconds=30, message="there was no lag left")

        async def is_fresh() -> bool:
            return await RedisView(redis_client).as_of() > published_at

        await wait_until(is_fresh, deadline_seconds=30, message="as-of had moved on")
    assert await users_today(redis_client) == 1


async def test_as_of_does_not_pass_an_open_transaction(deployment: Deployment, redis_client: Redis) -> None:
    """Nor what was published beside it: a consumer of committed records sees neither before its end."""
    held, other = (Partition(deployment.config.kafka.topic, number) for number in range(2))
    async with deployment.worker():
        await wait_until(deployment.is_caught_up, deadline_seconds=30)
        async with transactional(deployment) as producer:
            await send(producer, deployment, "alice")
            opened_at = utc_now()
            await deployment.publish(event("bob"))

            async def is_known_beside() -> bool:
                return (await read_progress(redis_client)).as_of[other] > opened_at

            await wait_until(is_known_beside, deadline_seconds=30, message="another partition moved on")
            assert (await read_progress(redis_client)).as_of[held] <= opened_at
            await producer.commit_transaction()
        await wait_until(deployment.is_caught_up, deadline_seconds=30)
    assert await users_today(redis_client) == 2
