"""The composition root: builds the worker and the API from the settings, runs them, and takes them down."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, nullcontext
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from aiohttp import web
from redis.asyncio import Redis

from api.admission import Bounds
from api.app import create_app
from headcount.clients import api_redis, kafka_options, worker_redis
from headcount.http.server import Entrance, listening, own_port
from headcount.http.tally import ConnectionTally
from headcount.log.topics import create_topics
from headcount.race import unless_stopped
from headcount.rate_limiter import RedisRateLimiter
from headcount.redis_entry import check_entry, check_rights
from headcount.settings import Settings
from headcount.token_store import RedisTokenStore
from ingest.dead_letters import KafkaDeadLetters
from ingest.errors import RefusedError, UnavailableError
from ingest.patience import Patience
from ingest.sorting import Sorter
from ingest.source import KafkaSource
from ingest.tally import Tally
from ingest.worker import Worker
from projector.audience import Audience
from projector.calendar import Calendar
from projector.deployment import Deployment
from projector.people import People
from projector.projection import RedisProjection
from projector.pseudonyms import Pseudonyms
from projector.tally import Tally as Counted
from projector.view import RedisView

REQUEST_DEADLINE: Final = timedelta(seconds=0.9)
"""A client learns within a second that it can't be answered; longer than the API waits for Redis."""

MAKE_KEY: Final = "python3 -c 'import secrets; print(secrets.token_hex(32))'"

log = structlog.get_logger(__name__)

Observe = Callable[[web.Application, ConnectionTally], AbstractAsyncContextManager[object]]


def unobserved(_app: web.Application, _connections: ConnectionTally) -> AbstractAsyncContextManager[None]:
    """Observe nothing."""
    return nullcontext()


def log_listening(url: str) -> None:
    """Say where the API can be called."""
    log.info("listening", url=url)


def utc_now() -> datetime:
    """Return the time of day; the one clock of worker and API."""
    return datetime.now(UTC)


async def serve_worker(
    settings: Settings,
    stopping: asyncio.Event,
    *,
    tally: Tally | None = None,
    counted: Counted | None = None,
) -> None:
    """Project the log until the stop is asked for; `tally` and `counted` are counted up as it goes.

    Waits for a Kafka or a Redis that is away, also at the start; raises `RefusedError` for one that won't do.
    """
    tally = tally or Tally()
    patience = Patience(stopping, asyncio.sleep, tally.state)
    try:
        async with AsyncExitStack() as parts:
            starting = _start_worker(settings, parts, patience, tally, counted or Counted())
            worker = await unless_stopped(stopping, starting)
            await worker.run(stopping)
    except UnavailableError as error:
        if not stopping.is_set():
            raise
        log.warning("stopped while waiting", cause=str(error))


async def _start_worker(
    settings: Settings, parts: AsyncExitStack, patience: Patience, tally: Tally, counted: Counted
) -> Worker:
    redis = await parts.enter_async_context(worker_redis(settings))
    projection = RedisProjection(
        redis,
        calendar(settings),
        people(settings),
        deployment=deployment(settings),
        clock=utc_now,
        tally=counted,
    )
    await check_entry(redis, settings)
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
    settings: Settings,
    stopping: asyncio.Event,
    *,
    on_listening: Callable[[str], None] = log_listening,
    observe: Observe = unobserved,
    entrance: Entrance = own_port,
) -> None:
    """Answer requests until the stop is asked for; `on_listening` is told the URL once it can be called.

    `observe` surrounds it, and is given the app before it runs, and the tally of its connections. Clients
    come in by the `entrance`.
    """
    async with api_redis(settings) as redis:
        await check_entry(redis, settings)
        view = RedisView(redis, time_zone=settings.time_zone.key)
        tokens = RedisTokenStore(redis)
        await check_rights(view.as_of(), tokens.ping())
        app = create_app(
            view=view,
            tokens=tokens,
            time_zone=settings.time_zone,
            clock=utc_now,
            bounds=bounds(settings, redis),
        )
        connections = ConnectionTally()
        async with observe(app, connections), listening(app, settings, connections, entrance=entrance) as url:
            on_listening(url)
            await stopping.wait()


def bounds(settings: Settings, redis: Redis) -> Bounds:
    """Return what the API's clients are held to; their requests are counted on the client given."""
    limit = settings.http_requests_per_minute
    return Bounds(
        requests=RedisRateLimiter(redis, per_minute=limit) if limit else None,
        deadline=REQUEST_DEADLINE,
        failed_logins_per_minute=settings.http_failed_logins_per_minute,
        trusted_proxies=settings.trusted_proxies,
    )


def deployment(settings: Settings) -> Deployment:
    """Return what the counters of these settings mean, as far as the settings say."""
    return Deployment(
        topic=settings.kafka_topic,
        time_zone=settings.time_zone.key,
        user_id_hash_key=pseudonyms(settings).fingerprint if settings.user_id_hash_key else None,
        audience=audience(settings),
    )


def audience(settings: Settings) -> Audience:
    """Return whose activity counts."""
    return Audience(
        ignored_event_types=settings.ignored_event_types, ignored_user_types=settings.ignored_user_types
    )


def people(settings: Settings) -> People:
    """Return who is counted, as far as the settings say; raises as `pseudonyms` does."""
    return People(pseudonyms(settings), audience=audience(settings))


def pseudonyms(settings: Settings) -> Pseudonyms:
    """Return the pseudonyms under the settings' key; raises `RefusedError` where there is none."""
    if settings.user_id_hash_key is None:
        raise RefusedError(
            "USER_ID_HASH_KEY is not set: user ids enter Redis only as hashes under this secret. "
            f"Make one once, keep it, and give it to every worker: {MAKE_KEY}"
        )
    return Pseudonyms(settings.user_id_hash_key.get_secret_value())


def calendar(settings: Settings) -> Calendar:
    """Return the calendar that the settings describe."""
    return Calendar(
        time_zone=settings.time_zone,
        retention_days=settings.retention_days,
        bucket_retention_days=settings.bucket_retention_days,
    )


async def check_port(settings: Settings) -> None:
    """Raise `RefusedError` if the API could not listen on its port."""
    async with listening(web.Application(), settings, ConnectionTally()):
        pass
