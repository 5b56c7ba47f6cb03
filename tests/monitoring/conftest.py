"""Headcount with sample events, watched by a real Prometheus: started once for all these tests."""

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from api.store.tokens import RedisTokenStore
from embedded import EmbeddedValkey
from headcount.ops.status import read_status
from headcount.wiring import Config, load_config
from ingest.errors import UnavailableError
from tests.monitoring.surroundings import (
    Prometheus,
    Watched,
    keep_active,
    running_headcount,
    running_prometheus,
)
from tests.support.fakes_api import login, make_token
from tests.support.people import KEY
from tests.support.waiting import wait_until

WARM_UP_SECONDS = 30.0


@pytest.fixture(scope="session", autouse=True)
def _prometheus_is_installed() -> None:
    if not (shutil.which("prometheus") and shutil.which("promtool")):
        pytest.exit("Prometheus is not installed; on Debian: apt-get install prometheus", returncode=1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def environment(kafka_bootstrap_servers: str, shared_home: Path) -> AsyncIterator[dict[str, str]]:
    """A topic, and a Redis of its own that has a limit, as it should."""
    valkey = EmbeddedValkey(home=shared_home / "watched", options={"maxmemory": "256mb"})
    await valkey.start()
    yield {
        "KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap_servers,
        "KAFKA_TOPIC": "watched",
        "KAFKA_GROUP_ID": "watched",
        "REDIS_URL": valkey.url,
        "USER_ID_HASH_KEY": KEY,
    }
    valkey.kill()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def watched(
    environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Watched]:
    """A worker and an API at work."""
    token, secret = make_token()
    config = load_config(environment)
    async with Redis.from_url(environment["REDIS_URL"]) as redis:
        await RedisTokenStore(redis).add(token)
    with running_headcount(environment, tmp_path_factory.mktemp("headcount")) as running:
        await wait_until(partial(is_caught_up, config), deadline_seconds=30, message="the worker has begun")
        active = asyncio.create_task(keep_active(config, running, login(token.user_id, secret)))
        yield running
        active.cancel()
        await asyncio.wait([active])


async def is_caught_up(config: Config) -> bool:
    try:
        return not (await read_status(config)).catching_up
    except UnavailableError:  # the topic is not there yet
        return False


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def prometheus(watched: Watched, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Prometheus]:
    """A Prometheus that has scraped both often enough for a rate."""
    async with running_prometheus(watched, tmp_path_factory.mktemp("prometheus")) as running:
        await wait_until(running.is_ready, deadline_seconds=WARM_UP_SECONDS, message="Prometheus is ready")

        async def is_warm() -> bool:
            """Rates need two scrapes, and what is recorded of them one more look."""
            wanted = ("rate(headcount_events_total[1m])", "headcount:http_errors:ratio5m")
            return all([await running.query(each) for each in wanted])

        await wait_until(is_warm, deadline_seconds=WARM_UP_SECONDS, message="Prometheus has looked at all")
        yield running


def promtool(*arguments: str, text: str | None = None) -> str:
    """Run Prometheus' own tool, which must find nothing wrong, and return what it says."""
    done = subprocess.run(["promtool", *arguments], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr
