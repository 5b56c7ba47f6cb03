"""The cast: the real worker, the real API and a publisher, each a process of its own, and who views."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final

import aiohttp
import psutil

from api.auth.authentication import BYPASS_RATE_LIMIT, VIEW_ENGAGEMENT_DASHBOARD
from api.auth.tokens import mint
from api.health import READYZ_PATH
from api.store.tokens import RedisTokenStore
from benchmarks.freshness.probing import Viewer
from benchmarks.projecting import environment_of
from benchmarks.serving import Server, free_port, serving
from headcount.clients import api_redis
from headcount.wiring import Config, utc_now

VIEWERS: Final = 64
"""Enough that one is free for each probe, while the slowest take seconds."""
READY_SECONDS: Final = 60.0
READY_CHECK_SECONDS: Final = 0.2


async def make_viewers(config: Config) -> Sequence[Viewer]:
    """Create workspaces without other users, and a token without rate limit for each."""
    async with api_redis(config) as redis:
        return [await _make_viewer(RedisTokenStore(redis), f"probe-{number}") for number in range(VIEWERS)]


async def _make_viewer(store: RedisTokenStore, workspace_id: str) -> Viewer:
    token, secret = mint(
        workspace_id=workspace_id,
        user_id="viewer",
        permissions=[VIEW_ENGAGEMENT_DASHBOARD, BYPASS_RATE_LIMIT],
        created_at=utc_now(),
    )
    await store.add(token)
    return Viewer(workspace_id, {"x-auth-token": secret, "x-user-id": token.user_id})


@asynccontextmanager
async def answering(config: Config) -> AsyncIterator[Server]:
    """Run `headcount api`, as an operator does, until the block ends."""
    port = free_port()
    own = {"HTTP_PORT": str(port), "API_METRICS_PORT": "off"}
    async with serving(("-m", "headcount", "api"), environment_of(config) | own, port=port) as server:
        yield server


async def ready(session: aiohttp.ClientSession) -> None:
    """Return once the API answers with numbers, and no longer that it is catching up."""
    async with asyncio.timeout(READY_SECONDS):
        while not await _is_ready(session):  # noqa: ASYNC110  another process: there is no event to wait for
            await asyncio.sleep(READY_CHECK_SECONDS)


async def _is_ready(session: aiohttp.ClientSession) -> bool:
    async with session.get(READYZ_PATH) as response:
        return response.ok


@asynccontextmanager
async def load(config: Config, rate: int) -> AsyncIterator[psutil.Process]:
    """Have that many events a second published as long as the block."""
    options = {
        "--kafka": config.kafka.bootstrap_servers,
        "--topic": config.kafka.topic,
        "--rate": str(rate),
    }
    arguments = ("-m", "benchmarks.freshness.background", *_flat(options))
    publisher = await asyncio.create_subprocess_exec(sys.executable, *arguments)
    try:
        yield psutil.Process(publisher.pid)
    finally:
        with suppress(ProcessLookupError):
            publisher.terminate()
        await publisher.wait()


def _flat(options: dict[str, str]) -> Iterator[str]:
    for option in options.items():
        yield from option
