"""A worker together with its port for metrics and health."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.aiohttp import make_aiohttp_handler
from redis.asyncio import Redis

from headcount.clients import worker_redis
from headcount.composition import serve_worker
from headcount.metrics.health import health_routes
from headcount.metrics.port import Port, open_port, worker_port_of
from headcount.metrics.redis_memory import read_memory
from headcount.metrics.worker import WorkerCollector
from headcount.settings import Settings
from ingest.tally import Tally
from projector.tally import Tally as Counted

log = structlog.get_logger(__name__)


async def serve_measured_worker(
    settings: Settings, stopping: asyncio.Event, *, tally: Tally | None = None
) -> None:
    """Do what `serve_worker` does, and tell of it meanwhile: also while it waits for its first connection."""
    tally, counted = tally or Tally(), Counted()
    async with worker_port(settings, tally, counted):
        await serve_worker(settings, stopping, tally=tally, counted=counted)


def worker_port(
    settings: Settings, tally: Tally, counted: Counted
) -> AbstractAsyncContextManager[str | None]:
    """Serve metrics and health as long as the block, yielding the URL; nothing if the port is off."""
    port = worker_port_of(settings)
    return nullcontext() if port is None else _serving(port, settings, tally, counted)


@asynccontextmanager
async def _serving(port: Port, settings: Settings, tally: Tally, counted: Counted) -> AsyncIterator[str]:
    app = web.Application()
    app.add_routes(health_routes(tally.state, stalled_after_seconds=settings.stalled_after_seconds))
    async with worker_redis(settings) as redis:
        app.add_routes([_metrics_route(WorkerCollector(tally, counted), redis)])
        async with open_port(port, app) as url:
            log.info("metrics can be read", url=f"{url}/metrics")
            yield url


def _metrics_route(collector: WorkerCollector, redis: Redis) -> web.RouteDef:
    registry = CollectorRegistry()
    registry.register(collector)
    render = make_aiohttp_handler(registry)

    async def get_metrics(request: web.Request) -> web.StreamResponse:
        collector.memory = await read_memory(redis)
        return await render(request)

    return web.get("/metrics", get_metrics)
