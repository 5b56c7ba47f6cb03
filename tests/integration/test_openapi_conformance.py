"""The running API compared with its description: schemathesis sends valid and invalid requests."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from queue import SimpleQueue
from typing import Any

import pytest
import schemathesis
from redis.asyncio import Redis
from schemathesis import Case

from api.openapi.document import openapi_document
from api.store.tokens import RedisTokenStore
from headcount.api import serve_api
from headcount.wiring import Config, load_config
from ingest.batch import Batch, Offset, Partition
from ingest.ports import Extent, LogState
from tests.suites.projections import an_event, redis_projection
from tests.support.fakes_api import make_token
from tests.support.redis_users import url_as
from tests.support.waiting import scaled

PARTITION = Partition("user-activity", 0)
MANY = "1000000"
USER = "alice"

CONFIG = schemathesis.Config.from_dict(
    {
        "generation": {"max-examples": 50, "deterministic": True, "database": "none"},
        # Its invalid requests may be valid here: each is sent with a login, and unknown parameters are
        # ignored, as upstream ignores them.
        "checks": {"negative_data_rejection": {"enabled": False}},
    }
)

description = schemathesis.openapi.from_dict(openapi_document(), config=CONFIG)


@description.parametrize()
def test_every_response_matches_the_description(case: Case[Any], url: str, secret: str) -> None:
    case.call_and_validate(base_url=url, headers={"x-auth-token": secret, "x-user-id": USER})


@pytest.fixture(scope="module")
def secret(redis_url: str) -> str:
    """Count a user today and create a token for alice; return the token."""
    return asyncio.run(_prepare(redis_url))


@pytest.fixture(scope="module")
def url(redis_url: str, secret: str) -> Iterator[str]:
    """Run the API on a port, with real limits that are never reached."""
    config = load_config(
        {
            "REDIS_URL": url_as("api", redis_url),
            "HTTP_PORT": "0",
            "HTTP_REQUESTS_PER_MINUTE": MANY,
            "HTTP_FAILED_LOGINS_PER_MINUTE": MANY,
        }
    )
    with _served(config) as url:
        yield url


async def _prepare(redis_url: str) -> str:
    token, secret = make_token(user_id=USER)
    now = datetime.now(UTC)
    async with Redis.from_url(redis_url) as redis:
        await redis.flushdb()
        await RedisTokenStore(redis).add(token)
        projection = redis_projection(redis)
        await projection.begin(LogState("one", {PARTITION: Extent(Offset(0), Offset(1))}))
        events = [an_event(USER, now)]
        await projection.apply(
            Batch(partition=PARTITION, start=Offset(0), end=Offset(1), events=events, as_of=now)
        )
    return secret


@contextmanager
def _served(config: Config) -> Iterator[str]:
    """Serve in a thread: the client has no event loop."""
    urls: SimpleQueue[str] = SimpleQueue()
    loops: SimpleQueue[asyncio.AbstractEventLoop] = SimpleQueue()
    stopping = asyncio.Event()

    async def serve() -> None:
        loops.put(asyncio.get_running_loop())
        await serve_api(config, stopping, on_listening=urls.put)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    yield urls.get(timeout=scaled(10))
    loops.get().call_soon_threadsafe(stopping.set)
    thread.join(scaled(10))
