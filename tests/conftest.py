"""Fixtures for all tests: servers, started only when a test asks for one, and what isolates tests on them."""

import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from headcount.embedded import EmbeddedKafka, EmbeddedValkey
from tests import servers


@pytest.fixture(scope="session")
def kafka_bootstrap_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Kafka that all tests share."""
    with servers.kafka_bootstrap_servers(tmp_path_factory.mktemp("shared")) as address:
        yield address


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a Redis database that all tests share; `redis_client` empties it."""
    with servers.redis_url(tmp_path_factory.mktemp("shared")) as url:
        yield url


@pytest.fixture
def topic() -> str:
    """A name that no topic has yet."""
    return f"test-{uuid4().hex}"


@pytest.fixture
async def redis_client(redis_url: str) -> AsyncIterator[Redis]:
    """A client on `redis_url`, whose database is empty at the test's start."""
    async with Redis.from_url(redis_url) as client:
        await client.flushdb()
        yield client


@pytest.fixture
def embedded_kafka(homes: Iterator[Path]) -> Iterator[servers.Servers[EmbeddedKafka]]:
    """Make Kafkas that are this test's own, to be broken: `await embedded_kafka.start(settings=...)`."""
    private = servers.Servers(EmbeddedKafka, homes)
    yield private
    private.kill()


@pytest.fixture
def embedded_valkey(homes: Iterator[Path]) -> Iterator[servers.Servers[EmbeddedValkey]]:
    """Make Valkeys that are this test's own, to be broken: `await embedded_valkey.start(options=...)`."""
    private = servers.Servers(EmbeddedValkey, homes)
    yield private
    private.kill()


@pytest.fixture
def homes(tmp_path: Path) -> Iterator[Path]:
    """Endless new home folders."""
    return (tmp_path / f"home-{number}" for number in itertools.count(1))
