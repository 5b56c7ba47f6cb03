"""Measures the API and serves its metrics on a separate port."""

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
from headcount.telemetry.sharing import summed
from headcount.wiring import Config
from httpd.stats import ConnectionStats

log = structlog.get_logger(__name__)

FOLLOW_SECONDS: Final = 1.0
"""The maximum age of the values of other processes in a scrape of this one."""
TOKENS_SECONDS: Final = 60.0
"""The maximum age of the exported token expiry."""


def api_port(
    config: Config, app: web.Application, connections: ConnectionStats
) -> AbstractAsyncContextManager[str | None]:
    """Measure an app that is not started yet, and serve its metrics for the duration of the block.

    Yields the URL. Nothing is measured if the port is off.
    """
    port = api_port_of(config)
    return nullcontext() if port is None else _serving(port, app, connections)


def measured(
    config: Config, app: web.Application, connections: ConnectionStats
) -> AbstractAsyncContextManager[object]:
    """Measure the app like `api_port`, but let the parent process serve the metrics."""
    if api_port_of(config) is None:
        return nullcontext()
    return _following(_measure(CollectorRegistry(), app, connections), app)


@asynccontextmanager
async def _serving(port: Port, app: web.Application, connections: ConnectionStats) -> AsyncIterator[str]:
    registry = CollectorRegistry()
    metrics = _measure(registry, app, connections)
    with summed(registry, os.environ) as exported:
        metrics_app = web.Application()
        metrics_app.add_routes([_metrics_route(metrics, exported)])
        async with open_port(port, metrics_app) as url, _following(metrics, app):
            log.info("serving metrics", url=f"{url}/metrics")
            yield url


def _measure(registry: CollectorRegistry, app: web.Application, connections: ConnectionStats) -> ApiMetrics:
    metrics = ApiMetrics(registry, rejections=app[ADMISSION].rejections, connections=connections)
    measure(app, metrics)
    return metrics


def _metrics_route(metrics: ApiMetrics, exported: CollectorRegistry) -> web.RouteDef:
    render = make_aiohttp_handler(exported)

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
        with suppress(TokensUnavailableError):  # the last value remains
            metrics.note_tokens(await tokens.list(), clock())
        await asyncio.sleep(TOKENS_SECONDS)
