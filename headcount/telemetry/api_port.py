"""The API together with its port for metrics."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from datetime import datetime
from typing import Final

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.aiohttp import make_aiohttp_handler

from api.auth.authentication import TokenStore
from api.errors import TokensUnavailableError
from api.resources import ADMISSION, CLOCK, TOKENS
from headcount.telemetry.api import ApiMetrics, measure
from headcount.telemetry.port import Port, api_port_of, open_port
from headcount.telemetry.sharing import shared
from headcount.wiring import Config
from httpd.stats import ConnectionStats

log = structlog.get_logger(__name__)

FOLLOW_SECONDS: Final = 1.0
"""How old other processes' tallies may be in a scrape of this one."""
TOKENS_SECONDS: Final = 60.0
"""How old the tokens may be whose next expiry is shown."""


def api_port(
    config: Config, app: web.Application, connections: ConnectionStats
) -> AbstractAsyncContextManager[str | None]:
    """Measure the app, which must not run yet, and serve its metrics as long as the block, yielding the URL.

    Nothing is measured if the port is off.
    """
    port = api_port_of(config)
    return nullcontext() if port is None else _serving(port, app, connections)


def measured(
    config: Config, app: web.Application, connections: ConnectionStats
) -> AbstractAsyncContextManager[object]:
    """Measure the app as `api_port` does, and leave it to another process to serve the metrics."""
    if api_port_of(config) is None:
        return nullcontext()
    return _following(_measure(CollectorRegistry(), app, connections), app)


@asynccontextmanager
async def _serving(port: Port, app: web.Application, connections: ConnectionStats) -> AsyncIterator[str]:
    registry = CollectorRegistry()
    metrics = _measure(registry, app, connections)
    with shared(registry, os.environ) as shown:
        shower = web.Application()
        shower.add_routes([_metrics_route(metrics, shown)])
        async with open_port(port, shower) as url, _following(metrics, app):
            log.info("metrics can be read", url=f"{url}/metrics")
            yield url


def _measure(registry: CollectorRegistry, app: web.Application, connections: ConnectionStats) -> ApiMetrics:
    metrics = ApiMetrics(registry, rejections=app[ADMISSION].rejections, connections=connections)
    measure(app, metrics)
    return metrics


def _metrics_route(metrics: ApiMetrics, shown: CollectorRegistry) -> web.RouteDef:
    render = make_aiohttp_handler(shown)

    async def get_metrics(request: web.Request) -> web.StreamResponse:
        metrics.follow()
        return await render(request)

    return web.get("/metrics", get_metrics)


@asynccontextmanager
async def _following(metrics: ApiMetrics, app: web.Application) -> AsyncIterator[None]:
    following = [
        asyncio.create_task(_follow(metrics)),
        asyncio.create_task(_follow_tokens(metrics, app[TOKENS], app[CLOCK])),
    ]
    try:
        yield
    finally:
        for task in following:
            task.cancel()
        await asyncio.wait(following)
        metrics.follow()


async def _follow(metrics: ApiMetrics) -> None:
    while True:
        metrics.follow()
        await asyncio.sleep(FOLLOW_SECONDS)


async def _follow_tokens(metrics: ApiMetrics, tokens: TokenStore, clock: Callable[[], datetime]) -> None:
    while True:
        with suppress(TokensUnavailableError):  # what was read last is still shown
            metrics.note_tokens(await tokens.list(), clock())
        await asyncio.sleep(TOKENS_SECONDS)
