"""The composition root: builds the worker and the API from the settings, runs them, and takes them down."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import structlog
from aiohttp import web

from api.app import create_app
from headcount.clients import api_redis, kafka_options, worker_redis
from headcount.settings import Settings
from headcount.token_store import RedisTokenStore
from headcount.topics import create_topics
from ingest.dead_letters import KafkaDeadLetters
from ingest.errors import RefusedError
from ingest.sorting import Sorter
from ingest.source import KafkaSource
from ingest.tally import Tally
from ingest.worker import Worker
from projector.calendar import Calendar
from projector.projection import RedisProjection
from projector.view import RedisView

log = structlog.get_logger(__name__)


def utc_now() -> datetime:
    """Return the time of day; the one clock of worker and API."""
    return datetime.now(UTC)


async def serve_worker(settings: Settings, stopping: asyncio.Event, *, tally: Tally | None = None) -> None:
    """Project the log until the stop is asked for; `tally` is counted up as it goes."""
    await create_topics(settings)
    async with (
        _source(settings) as source,
        _dead_letters(settings) as letters,
        worker_redis(settings) as redis,
    ):
        worker = Worker(
            source=source,
            projection=RedisProjection(redis, calendar(settings), clock=utc_now),
            dead_letters=letters,
            sorter=Sorter(max_event_bytes=settings.max_event_bytes),
            clock=utc_now,
            tally=tally or Tally(),
        )
        await worker.run(stopping)


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
        )
        async with _listening(app, settings) as url:
            log.info("listening", url=url)
            if on_listening:
                on_listening(url)
            await stopping.wait()


def calendar(settings: Settings) -> Calendar:
    """Return the calendar that the settings describe."""
    return Calendar(
        time_zone=settings.time_zone,
        retention_days=settings.retention_days,
        bucket_retention_days=settings.bucket_retention_days,
    )


@asynccontextmanager
async def _source(settings: Settings) -> AsyncIterator[KafkaSource]:
    source = KafkaSource(settings.kafka_topic, settings.kafka_group_id, kafka_options(settings))
    await source.start()
    try:
        yield source
    finally:
        await source.stop()


@asynccontextmanager
async def _dead_letters(settings: Settings) -> AsyncIterator[KafkaDeadLetters]:
    letters = KafkaDeadLetters(settings.kafka_topic, kafka_options(settings))
    await letters.start()
    try:
        yield letters
    finally:
        await letters.stop()


@asynccontextmanager
async def _listening(app: web.Application, settings: Settings) -> AsyncIterator[str]:
    # No access log: it would hold query strings.
    runner = web.AppRunner(app, access_log=None, keepalive_timeout=30, shutdown_timeout=5)
    await runner.setup()
    try:
        site = web.TCPSite(runner, settings.http_host, settings.http_port)
        await _bind(site, settings)
        host, port = runner.addresses[0][:2]
        yield f"http://{f'[{host}]' if ':' in host else host}:{port}"
    finally:
        await runner.cleanup()


async def _bind(site: web.TCPSite, settings: Settings) -> None:
    try:
        await site.start()
    except OSError as error:
        raise RefusedError(
            f"HTTP_PORT {settings.http_port} on {settings.http_host} can't be listened on: {error.strerror}. "
            "Free it, or set HTTP_PORT to another one."
        ) from error
