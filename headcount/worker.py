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
    """Project the log until the stop is asked for; `tally` and `counted` are counted up as it goes.

    Waits for a Kafka or a Redis that is away, also at the start; raises `OperatorError` for one that
    can't be used. Where a rebuild changes what the counters mean, it waits until they mean the same again.
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
                if worker is None:  # settings that never counted here are a mistake of this start
                    raise
            # Out of the group: its partitions belong to the workers that have the new settings.
            stats.state.leave()
            await cancel_on_stop(stopping, _await_return(config, retry))
    except UnavailableError as error:
        if not stopping.is_set():
            raise
        log.warning("stopped while waiting", cause=str(error))


async def _await_return(config: Config, retry: Retry) -> None:
    """Wait until the counters mean what these settings do; says once in the log what is waited for."""
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
    """Return what the work returns; raises `UnavailableError` where the stop is asked for before.

    The work is cancelled then, and has ended, however long its cleaning up takes.
    """
    task, stop = asyncio.create_task(work), asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stop.cancel()
        task.cancel()  # which is nothing to one that is done
    await asyncio.wait({task})
    if task.cancelled():
        raise UnavailableError("the stop came before the start was done")
    return task.result()
