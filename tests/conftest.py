"""Fixtures for all tests: servers, started only when a test asks for one, and what isolates tests on them."""

import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from uuid import uuid4

import hypothesis
import pytest
from redis.asyncio import Redis

from embedded import EmbeddedKafka, EmbeddedValkey
from embedded.kafka import QUICK_START
from embedded.server import EmbeddedServer
from tests.support import servers
from tests.support.leftovers import end_leftovers
from tests.support.redis_users import url_as
from tests.support.waiting import VARIABLE, scaled, slowness

# Without deadlines: how long an example takes says more about the machine's load than about the code.
hypothesis.settings.register_profile(
    "headcount", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("headcount")


def pytest_configure() -> None:
    """Measure the machine once, at the start, and give the servers of tests their time too."""
    EmbeddedServer.start_within_seconds = scaled(EmbeddedServer.start_within_seconds)
    EmbeddedKafka.java_options = (*EmbeddedKafka.java_options, QUICK_START)  # none of them runs for long


def pytest_report_header() -> str:
    return f"slowness: {slowness():.2g}, the factor of all deadlines; {VARIABLE} sets it"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Scale what a whole test may take, and have the longest files come first."""
    items.sort(key=lambda item: "e2e" not in item.path.parts)
    given = config.getoption("timeout")
    for item in items:
        marker = item.get_closest_marker("timeout")
        seconds = float(marker.args[0] if marker else config.getini("timeout") if given is None else given)
        item.add_marker(pytest.mark.timeout(scaled(seconds)), append=False)


@pytest.fixture(scope="session")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of the servers that all tests share, once those of killed runs are out of the way."""
    end_leftovers(tmp_path_factory.getbasetemp().parent)
    return tmp_path_factory.mktemp("shared")


@pytest.fixture(scope="session")
def kafka_bootstrap_servers(shared_home: Path) -> Iterator[str]:
    """The address of a Kafka that all tests share."""
    with servers.kafka_bootstrap_servers(shared_home) as address:
        yield address


@pytest.fixture(scope="session")
def redis_url(shared_home: Path) -> Iterator[str]:
    """The URL of a Redis database that all tests share, for its administrator; `redis_client` empties it."""
    with servers.redis_url(shared_home) as url:
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
async def redis_as(redis_url: str, redis_client: Redis) -> AsyncIterator[Callable[[str], Redis]]:
    """Make clients of one of the shipped users, on the database of `redis_client`: `redis_as("worker")`."""
    async with AsyncExitStack() as clients:

        def make(user: str) -> Redis:
            client = Redis.from_url(url_as(user, redis_url), driver_info=None)
            clients.push_async_callback(client.aclose)
            return client

        yield make


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
def homes(shared_home: Path, tmp_path: Path) -> Iterator[Path]:
    """Endless new home folders."""
    return (tmp_path / f"home-{number}" for number in itertools.count(1))
