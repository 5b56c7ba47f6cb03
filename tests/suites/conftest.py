"""The implementations that each suite runs on: the fake, and the real one on its server."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest
from redis.asyncio import Redis

from headcount.clients import kafka_options
from headcount.preflight.connections import create_topics
from headcount.settings import Settings
from headcount.wiring import configure
from ingest.kafka.dead_letters import KafkaDeadLetters
from tests.suites.letters import ObservedFakeLetters, ObservedLetters, ObservedTopic
from tests.suites.logs import WritableFake, WritableLog, WritableTopic
from tests.suites.projections import ObservedFake, ObservedProjection, ObservedRedis
from tests.support.fakes_projection import Projected

Make = Callable[[], ObservedProjection]


@pytest.fixture(params=["fake", "redis"])
def make_projection(request: pytest.FixtureRequest) -> Make:
    """Make projections that share their stored state, like those of several workers."""
    if request.param == "fake":
        stored = Projected()
        return lambda: ObservedFake(stored)
    redis: Redis = request.getfixturevalue("redis_client")
    as_worker: Redis = request.getfixturevalue("redis_as")("worker")
    return lambda: ObservedRedis(redis, as_worker=as_worker)


@pytest.fixture
def observed(make_projection: Make) -> ObservedProjection:
    return make_projection()


@pytest.fixture
def another(make_projection: Make) -> ObservedProjection:
    """The projection of another worker than `observed`."""
    return make_projection()


@pytest.fixture(params=["fake", "kafka"])
def kafka_or_fake(request: pytest.FixtureRequest) -> str | None:
    """The address of a Kafka; None for the fake, which starts none."""
    if request.param == "fake":
        return None
    address: str = request.getfixturevalue("kafka_bootstrap_servers")
    return address


@pytest.fixture
async def writable_log(kafka_or_fake: str | None, topic: str) -> AsyncIterator[WritableLog]:
    if kafka_or_fake is None:
        yield WritableFake()
        return
    async with AsyncExitStack() as parts:
        log = WritableTopic(kafka_or_fake, topic, parts)
        await log.create()
        yield log


@pytest.fixture
async def observed_letters(kafka_or_fake: str | None, topic: str) -> AsyncIterator[ObservedLetters]:
    if kafka_or_fake is None:
        yield ObservedFakeLetters()
        return
    config = configure(Settings(kafka_bootstrap_servers=kafka_or_fake, kafka_topic=topic))
    await create_topics(config)
    dead_letters = KafkaDeadLetters(topic, kafka_options(config))
    await dead_letters.start()
    yield ObservedTopic(kafka_or_fake, topic, dead_letters)
    await dead_letters.stop()
