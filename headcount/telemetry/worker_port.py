"""Runs a worker and serves its metrics and health: `/metrics`, `/livez` and `/readyz`."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from http import HTTPStatus
from typing import Final

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.aiohttp import make_aiohttp_handler

from headcount.clients import worker_redis
from headcount.ops.dead_letters.waiting import WaitingLetters
from headcount.telemetry.port import Port, open_port, worker_port_of
from headcount.telemetry.worker import WorkerCollector, read_memory
from headcount.wiring import Config
from headcount.worker import serve_worker
from httpd.responses import json_response
from ingest.errors import HeadcountError
from ingest.worker.health import OK, is_ready, stalls, standings
from ingest.worker.state import WorkerState
from ingest.worker.stats import Stats
from projector.redis import Redis
from projector.stats import Stats as Counted

LETTERS_SECONDS: Final = 60.0
"""The maximum age of the number of waiting dead letters; each count connects to Kafka."""
OWNERSHIP_SECONDS: Final = 1.0

log = structlog.get_logger(__name__)


async def serve_measured_worker(
    config: Config, stopping: asyncio.Event, *, stats: Stats | None = None
) -> None:
    """Run `serve_worker` and serve its metrics, also while it waits for its first connection."""
    stats, counted = stats or Stats(), Counted()
    async with worker_port(config, stats, counted):
        await serve_worker(config, stopping, stats=stats, counted=counted)


def worker_port(config: Config, stats: Stats, counted: Counted) -> AbstractAsyncContextManager[str | None]:
    """Serve metrics and health for the duration of the block, yielding the URL, unless the port is off."""
    port = worker_port_of(config)
    return nullcontext() if port is None else _serving(port, config, stats, counted)


@asynccontextmanager
async def _serving(port: Port, config: Config, stats: Stats, counted: Counted) -> AsyncIterator[str]:
    app = web.Application()
    app.add_routes(health_routes(stats.state, stalled_after_seconds=config.telemetry.stalled_after_seconds))
    collector = WorkerCollector(stats, counted)
    async with worker_redis(config) as redis:
        app.add_routes([_metrics_route(collector, redis)])
        async with open_port(port, app) as url:
            log.info("serving metrics", url=f"{url}/metrics")
            sampling = asyncio.create_task(_sample_letters(config, stats.state, collector))
            try:
                yield url
            finally:
                sampling.cancel()
                await asyncio.wait([sampling])


async def _sample_letters(config: Config, state: WorkerState, collector: WorkerCollector) -> None:
    """Count the waiting dead letters until cancelled, in the one worker of a group that owns partition 0."""
    loop = asyncio.get_running_loop()
    letters, due, cause = WaitingLetters(), loop.time(), None
    while True:
        if not any(partition.number == 0 for partition in state.owned):
            letters, due, collector.waiting_letters = WaitingLetters(), loop.time(), None
        elif loop.time() >= due:
            was, cause = cause, None
            try:
                collector.waiting_letters = await letters.count(config)
            except HeadcountError as error:
                collector.waiting_letters, cause = None, str(error)
                if cause != was:
                    log.info("waiting dead letters are not counted", cause=cause)
            due = loop.time() + LETTERS_SECONDS
        await asyncio.sleep(OWNERSHIP_SECONDS)


def _metrics_route(collector: WorkerCollector, redis: Redis) -> web.RouteDef:
    registry = CollectorRegistry()
    registry.register(collector)
    render = make_aiohttp_handler(registry)

    async def get_metrics(request: web.Request) -> web.StreamResponse:
        collector.memory = await read_memory(redis)
        return await render(request)

    return web.get("/metrics", get_metrics)


def health_routes(state: WorkerState, *, stalled_after_seconds: float) -> Iterable[web.RouteDef]:
    """Return the routes `/livez` and `/readyz` for GET and HEAD."""

    async def get_livez(_request: web.Request) -> web.Response:
        now = asyncio.get_running_loop().time()
        stalled = stalls(state, now=now, retry=stalled_after_seconds)
        return json_response({"alive": not stalled, "stalled": stalled}, status=_status(ok=not stalled))

    async def get_readyz(_request: web.Request) -> web.Response:
        ready = is_ready(state)
        body = {
            "ready": ready,
            "servers": state.waiting_for or state.away or OK,
            "assignment": OK if state.partitions is not None else "none yet: joining the consumer group",
            "partitions": {str(partition): words for partition, words in standings(state).items()},
        }
        return json_response(body, status=_status(ok=ready))

    return web.get("/livez", get_livez), web.get("/readyz", get_readyz)


def _status(*, ok: bool) -> HTTPStatus:
    return HTTPStatus.OK if ok else HTTPStatus.SERVICE_UNAVAILABLE
