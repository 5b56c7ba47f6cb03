"""Opens the erasure log of the configured topic, and adds forgotten people that only Redis knows."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from headcount.clients import kafka_options
from headcount.wiring import Config, pseudonyms, utc_now
from ingest.errors import OperatorError
from ingest.kafka.erasure_log import KafkaErasureLog
from projector.erasures import unlogged
from projector.redis import Redis

log = structlog.get_logger(__name__)


def erasure_log(config: Config) -> KafkaErasureLog:
    """Return the erasure log, not started; raises as `pseudonyms` does."""
    return KafkaErasureLog(
        config.kafka.topic, kafka_options(config), fingerprint=pseudonyms(config).fingerprint, clock=utc_now
    )


@asynccontextmanager
async def open_erasure_log(config: Config) -> AsyncIterator[KafkaErasureLog]:
    """Open the erasure log for a command; raises `UnavailableError`."""
    erasures = erasure_log(config)
    await erasures.start()
    try:
        yield erasures
    finally:
        await erasures.stop()


async def complete(erasures: KafkaErasureLog, redis: Redis) -> None:
    """Append people who were forgotten before the erasure log existed, or before it was lost.

    Raises `UnavailableError`. If the right to write is missing, it only logs a warning.
    """
    missing = await unlogged(redis, await erasures.read())
    if not missing:
        return
    try:
        await erasures.append(missing, "forgotten")
    except OperatorError as error:
        # They stay uncounted unless Redis loses state, which is no reason to stop counting.
        log.warning("people are forgotten in Redis alone", people=len(missing), cause=str(error))
    else:
        log.info("forgotten people added to the erasure log", people=len(missing), topic=erasures.topic)
