"""The suites that hold source, dead letters and projection to the ports, on the simulator's servers."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from typing import Any, cast

import pytest
from redis.asyncio import Redis

from ingest.kafka.dead_letters import KafkaDeadLetters
from tests.simulation.activity import START
from tests.simulation.broker import TOPIC, Broker
from tests.simulation.kafka_clients import fake_kafka
from tests.simulation.loop import SimulatedLoop
from tests.simulation.network import Network
from tests.simulation.redis_client import FakeRedis
from tests.simulation.redis_server import RedisServer, timed_out
from tests.simulation.suites.fakes import ObservedBroker, WritableBroker
from tests.simulation.world import no_fault
from tests.suites.letters import ObservedLetters
from tests.suites.logs import WritableLog
from tests.suites.projections import ObservedProjection, ObservedRedis


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"simulated": lambda: SimulatedLoop(random.Random(0))}


@pytest.fixture
async def network() -> Network:
    """A way on which nothing goes wrong."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SimulatedLoop)
    return Network(loop, random.Random(0), timed_out, no_fault)


@pytest.fixture
def kafka() -> Iterator[None]:
    """Has the source and the dead letters find the fake Kafka."""
    with fake_kafka(random.Random(0), poll_records=5_000):
        yield


@pytest.fixture
async def broker(network: Network, kafka: None) -> Broker:
    return Broker(network.loop, network.chance, network, partitions=2)


@pytest.fixture
async def writable_log(broker: Broker) -> AsyncIterator[WritableLog]:
    async with AsyncExitStack() as parts:
        yield WritableBroker(broker, parts)


@pytest.fixture
async def observed_letters(broker: Broker) -> AsyncIterator[ObservedLetters]:
    dead_letters = KafkaDeadLetters(TOPIC, {"broker": broker})
    await dead_letters.start()
    yield ObservedBroker(broker, dead_letters)
    await dead_letters.stop()


@pytest.fixture
async def redis(network: Network) -> Redis:
    fake: Any = FakeRedis(RedisServer(lambda: START), network)
    return cast("Redis", fake)


@pytest.fixture
async def observed(redis: Redis) -> ObservedProjection:
    return ObservedRedis(redis)


@pytest.fixture
async def another(redis: Redis) -> ObservedProjection:
    """Another worker's projection, in addition to `observed`."""
    return ObservedRedis(redis)
