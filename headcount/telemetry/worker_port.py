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
from headcount.telemetry.health import health_routes
from headcount.telemetry.port import Port, open_port, worker_port_of
from headcount.telemetry.redis_memory import read_memory
from headcount.telemetry.worker import WorkerCollector
from headcount.wiring import Config
from headcount.worker import serve_worker
from ingest.worker.stats import Stats
from projector.stats import Stats as Counted

log = structlog.get_logger(__name__)


async def serve_measured_worker(
    config: Config, stopping: asyncio.Event, *, stats: Stats | None = None
) -> None:
    """Do what `serve_worker` does, and tell of it meanwhile: also while it waits for its first connection."""
    stats, counted = stats or Stats(), Counted()
    async with worker_port(config, stats, counted):
        await serve_worker(config, stopping, stats=stats, counted=counted)


def worker_port(config: Config, stats: Stats, counted: Counted) -> AbstractAsyncContextManager[str | None]:
    """Serve metrics and health as long as the block, yielding the URL; nothing if the port is off."""
    port = worker_port_of(config)
    return nullcontext() if port is None else _serving(port, config, stats, counted)


@asynccontextmanager
async def _serving(port: Port, config: Config, stats: Stats, counted: Counted) -> AsyncIterator[str]:
    app = web.Application()
    app.add_routes(health_routes(stats.state, stalled_after_seconds=config.telemetry.stalled_after_seconds))
    async with worker_redis(config) as redis:
        app.add_routes([_metrics_route(WorkerCollector(stats, counted), redis)])
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
