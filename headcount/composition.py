"""The composition root: builds the worker and the API from the settings, runs them, and takes them down."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from aiohttp import web

from api.app import create_app
from api.server_log import server_logger
from headcount.clients import api_redis, kafka_options, worker_redis
from headcount.log.topics import create_topics
from headcount.race import unless_stopped
from headcount.settings import Settings
from headcount.token_store import RedisTokenStore
from ingest.dead_letters import KafkaDeadLetters
from ingest.errors import RefusedError, UnavailableError
from ingest.patience import Patience
from ingest.sorting import Sorter
from ingest.source import KafkaSource
from ingest.tally import Tally
from ingest.worker import Worker
from projector.calendar import Calendar
from projector.deployment import Deployment
from projector.projection import RedisProjection
from projector.view import RedisView

REQUEST_DEADLINE: Final = timedelta(seconds=0.9)
"""A client learns within a second that it can't be answered; longer than the API waits for Redis."""

log = structlog.get_logger(__name__)


def utc_now() -> datetime:
    """Return the time of day; the one clock of worker and API."""
    return datetime.now(UTC)


async def serve_worker(settings: Settings, stopping: asyncio.Event, *, tally: Tally | None = None) -> None:
    """Project the log until the stop is asked for; `tally` is counted up as it goes.

    Waits for a Kafka or a Redis that is away, also at the start; raises `RefusedError` for one that won't do.
    """
    patience = Patience(stopping, asyncio.sleep)
    try:
        async with AsyncExitStack() as parts:
            starting = _start_worker(settings, parts, patience, tally or Tally())
            worker = await unless_stopped(stopping, starting)
            await worker.run(stopping)
    except UnavailableError as error:
        if not stopping.is_set():
            raise
        log.warning("stopped while waiting", cause=str(error))


async def _start_worker(
    settings: Settings, parts: AsyncExitStack, patience: Patience, tally: Tally
) -> Worker:
    redis = await parts.enter_async_context(worker_redis(settings))
    projection = RedisProjection(redis, calendar(settings), deployment=deployment(settings), clock=utc_now)
    await patience.insist(projection.claim)
    await patience.insist(create_topics, settings)
    dead_letters = KafkaDeadLetters(settings.kafka_topic, kafka_options(settings))
    await patience.insist(dead_letters.start)
    parts.push_async_callback(dead_letters.stop)
    source = KafkaSource(settings.kafka_topic, settings.kafka_group_id, kafka_options(settings))
    await patience.insist(source.start)
    parts.push_async_callback(source.stop)
    return Worker(
        source=source,
        projection=projection,
        dead_letters=dead_letters,
        sorter=Sorter(max_event_bytes=settings.max_event_bytes),
        clock=utc_now,
        tally=tally,
    )


async def serve_api(
    settings: Settings, stopping: asyncio.Event, *, on_listening: Callable[[str], None] | None = None
) -> None:
    """Answer requests until the stop is asked for; `on_listening` is told the URL once it can be called."""
    async with api_redis(settings) as redis:
        app = create_app(
            view=RedisView(redis),
            tokens=RedisTokenStore(redis),
            time_zone=settings.time_zone,
            clock=utc_now,
            deadline=REQUEST_DEADLINE,
        )
        async with _listening(app, settings) as url:
            log.info("listening", url=url)
            if on_listening:
                on_listening(url)
            await stopping.wait()


def deployment(settings: Settings) -> Deployment:
    """Return what the counters of these settings mean."""
    return Deployment(topic=settings.kafka_topic, time_zone=settings.time_zone.key)


def calendar(settings: Settings) -> Calendar:
    """Return the calendar that the settings describe."""
    return Calendar(
        time_zone=settings.time_zone,
        retention_days=settings.retention_days,
        bucket_retention_days=settings.bucket_retention_days,
    )


@asynccontextmanager
async def _listening(app: web.Application, settings: Settings) -> AsyncIterator[str]:
    # No access log: it would hold query strings.
    runner = web.AppRunner(
        app, access_log=None, logger=server_logger(), keepalive_timeout=30, shutdown_timeout=5
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, settings.http_host, settings.http_port)
        await _bind(site, settings)
        host, port = runner.addresses[0][:2]
        yield f"http://{f'[{host}]' if ':' in host else host}:{port}"
    finally:
        await runner.cleanup()


async def check_port(settings: Settings) -> None:
    """Raise `RefusedError` if the API could not listen on its port."""
    async with _listening(web.Application(), settings):
        pass


async def _bind(site: web.TCPSite, settings: Settings) -> None:
    try:
        await site.start()
    except OSError as error:
        raise RefusedError(
            f"HTTP_PORT {settings.http_port} on {settings.http_host} can't be listened on: {_cause(error)}. "
            "Free it, or set HTTP_PORT to another one."
        ) from error


def _cause(error: OSError) -> str:
    """Say it as the system does; asyncio's own words around it name the address again."""
    return os.strerror(error.errno).lower() if error.errno else str(error)
