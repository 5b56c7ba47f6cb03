"""The composition root: builds the worker and the API from the settings, runs them, and takes them down."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, nullcontext
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from aiohttp import web
from redis.asyncio import Redis

from api.app import create_app
from api.auth.admission import Bounds
from api.limits.redis_rate_limiter import RedisRateLimiter
from api.store.tokens import RedisTokenStore
from headcount.cancellation import cancel_on_stop
from headcount.clients import api_redis, kafka_options, worker_redis
from headcount.log.topics import create_topics
from headcount.preflight.redis import check_entry, check_rights
from headcount.settings import Settings
from httpd.server import Entrance, listening, own_port
from httpd.stats import ConnectionStats
from ingest.errors import OperatorError, UnavailableError
from ingest.events.decoding import RecordDecoder
from ingest.kafka.dead_letters import KafkaDeadLetters
from ingest.kafka.source import KafkaSource
from ingest.worker.loop import Worker
from ingest.worker.retry import Retry
from ingest.worker.stats import Stats
from projector.activity_filter import ActivityFilter
from projector.calendar import Calendar
from projector.counted_users import CountedUsers
from projector.deployment import Deployment
from projector.projection import RedisProjection
from projector.pseudonyms import Pseudonyms
from projector.stats import Stats as Counted
from projector.views.daily import RedisView

REQUEST_DEADLINE: Final = timedelta(seconds=0.9)
"""A client learns within a second that it can't be answered; longer than the API waits for Redis."""

MAKE_KEY: Final = "python3 -c 'import secrets; print(secrets.token_hex(32))'"

log = structlog.get_logger(__name__)

Observe = Callable[[web.Application, ConnectionStats], AbstractAsyncContextManager[object]]


def unobserved(_app: web.Application, _connections: ConnectionStats) -> AbstractAsyncContextManager[None]:
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
    stats: Stats | None = None,
    counted: Counted | None = None,
) -> None:
    """Project the log until the stop is asked for; `tally` and `counted` are counted up as it goes.

    Waits for a Kafka or a Redis that is away, also at the start; raises `OperatorError` for one that
    can't be used.
    """
    stats = stats or Stats()
    retry = Retry(stopping, asyncio.sleep, stats.state)
    try:
        async with AsyncExitStack() as parts:
            starting = _start_worker(settings, parts, retry, stats, counted or Counted())
            worker = await cancel_on_stop(stopping, starting)
            await worker.run(stopping)
    except UnavailableError as error:
        if not stopping.is_set():
            raise
        log.warning("stopped while waiting", cause=str(error))


async def _start_worker(
    settings: Settings, parts: AsyncExitStack, retry: Retry, stats: Stats, counted: Counted
) -> Worker:
    redis = await parts.enter_async_context(worker_redis(settings))
    projection = RedisProjection(
        redis,
        calendar(settings),
        counted_users(settings),
        deployment=deployment(settings),
        clock=utc_now,
        stats=counted,
    )
    await check_entry(redis, settings)
    await retry.retry_until_stopped(projection.claim)
    await retry.retry_until_stopped(create_topics, settings)
    dead_letters = KafkaDeadLetters(settings.kafka_topic, kafka_options(settings))
    await retry.retry_until_stopped(dead_letters.start)
    parts.push_async_callback(dead_letters.stop)
    source = KafkaSource(settings.kafka_topic, settings.kafka_group_id, kafka_options(settings))
    await retry.retry_until_stopped(source.start)
    parts.push_async_callback(source.stop)
    return Worker(
        source=source,
        projection=projection,
        dead_letters=dead_letters,
        decoder=RecordDecoder(max_event_bytes=settings.max_event_bytes),
        clock=utc_now,
        stats=stats,
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
        connections = ConnectionStats()
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
        activity_filter=activity_filter(settings),
    )


def activity_filter(settings: Settings) -> ActivityFilter:
    """Return whose activity counts."""
    return ActivityFilter(
        ignored_event_types=settings.ignored_event_types, ignored_user_types=settings.ignored_user_types
    )


def counted_users(settings: Settings) -> CountedUsers:
    """Return who is counted, as far as the settings say; raises as `pseudonyms` does."""
    return CountedUsers(pseudonyms(settings), activity_filter=activity_filter(settings))


def pseudonyms(settings: Settings) -> Pseudonyms:
    """Return the pseudonyms under the settings' key; raises `OperatorError` where there is none."""
    if settings.user_id_hash_key is None:
        raise OperatorError(
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
    """Raise `OperatorError` if the API could not listen on its port."""
    async with listening(web.Application(), settings, ConnectionStats()):
        pass
