"""Every broker's address changes, and the bootstrap address stays: clients find the brokers again."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from redis.asyncio import Redis

from embedded import EmbeddedKafka
from embedded.ports import find_free_port
from tests.faults.proxy import Proxy
from tests.support.deployment import Deployment, deployed, event
from tests.support.servers import Servers
from tests.support.waiting import wait_until


class MovingKafka:
    """A Kafka that clients reach only by proxies: one at the bootstrap address, one at the advertised."""

    def __init__(self, servers: Servers[EmbeddedKafka], home: Path) -> None:
        self._servers = servers
        self._home = home
        self._port = find_free_port()
        self._kafka: EmbeddedKafka
        self._advertised: Proxy
        self.bootstrap = Proxy(self._port)

    async def start(self) -> None:
        await self.bootstrap.start()
        await self._advertise()

    async def move(self) -> None:
        """Start it again where only the bootstrap address leads to it as before."""
        await self._kafka.stop()
        await self._advertised.stop()
        await self.bootstrap.cut()
        await self._advertise()

    async def stop(self) -> None:
        await self._advertised.stop()
        await self.bootstrap.stop()

    async def _advertise(self) -> None:
        self._advertised = Proxy(self._port)
        await self._advertised.start()
        listener = f"CLIENT://127.0.0.1:{self._advertised.port}"
        self._kafka = await self._servers.start(
            home=self._home, port=self._port, settings={"advertised.listeners": listener}, heap_megabytes=256
        )


@pytest.fixture
async def kafka(embedded_kafka: Servers[EmbeddedKafka], homes: Iterator[Path]) -> AsyncIterator[MovingKafka]:
    moving = MovingKafka(embedded_kafka, next(homes))
    await moving.start()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(moving.stop)
        yield moving


@pytest.fixture
async def deployment(
    kafka: MovingKafka, topic: str, redis_url: str, redis_client: Redis
) -> AsyncIterator[Deployment]:
    async with deployed(f"127.0.0.1:{kafka.bootstrap.port}", topic, redis_url) as deployment:
        yield deployment


async def test_a_worker_counts_on_and_publishes_dead_letters(
    kafka: MovingKafka, deployment: Deployment
) -> None:
    await deployment.publish(event("anna"))
    async with deployment.worker():
        await wait_until(deployment.is_caught_up, deadline_seconds=60, message="everything was counted")
        await kafka.move()
        await deployment.publish(event("bert"), b"no event")
        await wait_until(deployment.is_caught_up, deadline_seconds=90, message="everything was counted")
    letters = await deployment.read(deployment.config.kafka.topic + ".dlq")
    assert [letter.value for letter in letters] == [b"no event"]
