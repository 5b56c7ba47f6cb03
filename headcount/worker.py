"""Starts a worker on the configured Kafka and Redis, runs it and closes its parts in reverse order."""

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any, TypeVar

import structlog

from headcount.clients import kafka_options, worker_redis
from headcount.ops.erasures import complete, erasure_log
from headcount.preflight.connections import create_topics
from headcount.preflight.redis import check_redis_login
from headcount.wiring import Config, calendar, counted_users, deployment, utc_now
from ingest.errors import UnavailableError
from ingest.events.decoding import RecordDecoder
from ingest.kafka.dead_letters import KafkaDeadLetters
from ingest.kafka.source import KafkaSource
from ingest.worker.loop import Worker
from ingest.worker.retry import Retry
from ingest.worker.stats import Stats
from projector.deployment import OtherDeploymentError
from projector.projection import RedisProjection
from projector.redis.errors import translate_errors
from projector.stats import Stats as Counted

log = structlog.get_logger(__name__)


async def serve_worker(
    config: Config,
    stopping: asyncio.Event,
    *,
    stats: Stats | None = None,
    counted: Counted | None = None,
) -> None:
    """Project the log until `stopping` is set; `stats` and `counted` are updated meanwhile.

    Waits for an unavailable Kafka or Redis, also at the start; raises `OperatorError` for an unusable one.
    After a rebuild with other settings it waits until the recorded settings match its own again.
    """
    stats, counted, worker = stats or Stats(), counted or Counted(), None
    retry = Retry(stopping, asyncio.sleep, stats.state)
    try:
        while True:
            try:
                async with AsyncExitStack() as parts:
                    starting = _start_worker(config, parts, retry, stats, counted)
                    worker = await cancel_on_stop(stopping, starting)
                    return await worker.run(stopping)
            except OtherDeploymentError:
                if worker is None:  # the settings never matched: a mistake at this start
                    raise
            # Out of the consumer group, so that workers with the new settings take over the partitions.
            stats.state.leave()
            await cancel_on_stop(stopping, _await_return(config, retry))
    except UnavailableError as error:
        if not stopping.is_set():
            raise
        log.warning("stopped while waiting", cause=str(error))


async def _await_return(config: Config, retry: Retry) -> None:
    """Wait until the recorded settings match; the reason of the wait is logged once."""
    async with worker_redis(config) as redis:

        async def check() -> None:
            with translate_errors():
                await deployment(config).check_recorded(redis)

        await retry.retry_until_stopped(check)


async def _start_worker(
    config: Config, parts: AsyncExitStack, retry: Retry, stats: Stats, counted: Counted
) -> Worker:
    redis = await parts.enter_async_context(worker_redis(config))
    erasures = erasure_log(config)
    projection = RedisProjection(
        redis,
        calendar(config),
        counted_users(config),
        deployment=deployment(config),
        clock=utc_now,
        stats=counted,
    )
    projection.restore_from(erasures)
    await check_redis_login(redis, config)
    await retry.retry_until_stopped(projection.claim)
    await retry.retry_until_stopped(create_topics, config)
    await retry.retry_until_stopped(erasures.start)
    parts.push_async_callback(erasures.stop)
    await retry.retry_until_stopped(complete, erasures, redis)
    dead_letters = KafkaDeadLetters(config.kafka.topic, kafka_options(config))
    await retry.retry_until_stopped(dead_letters.start)
    parts.push_async_callback(dead_letters.stop)
    source = KafkaSource(config.kafka.topic, config.kafka.group_id, kafka_options(config))
    await retry.retry_until_stopped(source.start)
    parts.push_async_callback(source.stop)
    return Worker(
        source=source,
        projection=projection,
        dead_letters=dead_letters,
        decoder=RecordDecoder(max_event_bytes=config.counting.max_event_bytes),
        clock=utc_now,
        stats=stats,
    )


T = TypeVar("T")


async def cancel_on_stop(stopping: asyncio.Event, work: Coroutine[Any, Any, T]) -> T:
    """Return the result of the work; raises `UnavailableError` if `stopping` is set before.

    The work is then cancelled and has ended, however long its cleanup takes.
    """
    task, stop = asyncio.create_task(work), asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stop.cancel()
        task.cancel()  # no effect if it is done
    await asyncio.wait({task})
    if task.cancelled():
        raise UnavailableError("stopped before the startup was complete")
    return task.result()
