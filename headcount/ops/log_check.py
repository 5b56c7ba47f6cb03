"""Checks that Redis, the settings and the log belong together, before and after the log is read."""

from collections.abc import Iterable
from datetime import datetime

from headcount.preflight.connections import current_topic_id
from headcount.wiring import Config, deployment
from ingest.batch import Partition
from ingest.errors import OperatorError, UnavailableError
from ingest.events.decoding import FUTURE_TOLERANCE
from ingest.events.instant import instant_of
from ingest.kafka.log_reader import LogReader
from ingest.ports import Extent
from projector.checkpoints import Progress, read_progress
from projector.counted_users import REVISION
from projector.gaps import GapReport
from projector.redis import Redis
from projector.redis.errors import translate_errors


def check_topic(config: Config, progress: Progress) -> None:
    """Raise `OperatorError` if Redis holds counters of another topic."""
    recorded = progress.deployment.get("topic", config.kafka.topic)
    if recorded != config.kafka.topic:
        raise OperatorError(
            f"Redis at {config.redis.url_redacted} holds counters of KAFKA_TOPIC={recorded!r}, but "
            f"KAFKA_TOPIC is {config.kafka.topic!r}: correct KAFKA_TOPIC or REDIS_URL."
        )


async def read_recorded(config: Config, redis: Redis) -> Progress:
    """Return the progress of a Redis that holds counters of this topic, under any other settings.

    Raises `OperatorError` if Redis holds no counters or another topic's, and `UnavailableError`.
    """
    progress = await read_progress(redis)
    check_topic(config, progress)
    if "topic" not in progress.deployment:
        raise OperatorError(
            f"Redis at {config.redis.url_redacted} holds no counters: correct REDIS_URL, or start a worker."
        )
    return progress


async def read_counted(config: Config, redis: Redis) -> Progress:
    """Return the progress if it belongs to these settings and to the topic as it is now.

    Raises `OperatorError` if Redis holds no checkpoint or other counters, and `UnavailableError`.
    """
    with translate_errors():
        await deployment(config).check(redis)
    progress = await read_progress(redis)
    if not progress.checkpoints:
        raise OperatorError(
            f"Redis at {config.redis.url_redacted} holds no checkpoint: nothing has been counted there yet. "
            "Correct REDIS_URL, or start a worker first."
        )
    if progress.topic_id != await current_topic_id(config):
        raise OperatorError("The topic was recreated after it was counted: start a worker, which handles it.")
    return progress


async def check_topic_id(config: Config, expected: str | None) -> None:
    """Raise `UnavailableError` if the topic was recreated since its id was recorded."""
    if await current_topic_id(config) != expected:
        raise UnavailableError("The topic was recreated after it was counted: start a worker first.")


def check_log_holds(log: LogReader, progress: Progress) -> None:
    """Raise `UnavailableError` if the log ends before a checkpoint: it lost records that were counted.

    The log must have been opened after the progress was read.
    """
    for partition, checkpoint in progress.checkpoints.items():
        extent = log.extents.get(partition)
        if extent is None or extent.end < checkpoint:
            raise UnavailableError(
                f"{partition} is counted up to {checkpoint}, but its log ends before: it lost records. "
                "Start a worker, which handles it."
            )


async def check_unmoved(before: Progress, redis: Redis) -> None:
    """Raise `UnavailableError` if Redis lost state since `before`, which makes all findings worthless."""
    now = await read_progress(redis)
    if now.generation != before.generation:
        raise UnavailableError("A rebuild replaced the counters in the meantime: start again.")
    for partition, checkpoint in before.checkpoints.items():
        if now.checkpoints.get(partition, -1) < checkpoint:
            raise UnavailableError(
                f"The checkpoint of {partition} went back in the meantime: start again once the worker has "
                "caught up."
            )


async def check_same_people(before: Progress, redis: Redis) -> None:
    """Raise `UnavailableError` if the list of forgotten people changed since `before`."""
    now = await read_progress(redis)
    if now.deployment.get(REVISION, "0") != before.deployment.get(REVISION, "0"):
        raise UnavailableError("A person was forgotten or remembered in the meantime: start again.")


async def lost_until(log: LogReader, gaps: Iterable[GapReport], now: datetime) -> datetime | None:
    """Return an instant after which the log lost no event, None if it lost none at all.

    Retention removes a partition's oldest records. None of them carries an instant much later than the
    timestamp of the first that remains. A log that was truncated or recreated may have lost any event from
    before. Raises `UnavailableError`, and `UnreadableError` if records are damaged.
    """
    instants = [gap.found_at for gap in gaps if gap.cause in {"truncated", "recreated"}]
    for partition, extent in log.extents.items():
        if extent.beginning > 0:
            # A producer's timestamp may be in the future; a future-dated event is in no counter.
            instants.append(min(await _first_timestamp(log, partition, extent) or now, now))
    return max(instants) + FUTURE_TOLERANCE if instants else None


async def _first_timestamp(log: LogReader, partition: Partition, extent: Extent) -> datetime | None:
    async for portion in log.read(partition, extent):
        if portion.records:
            return instant_of(portion.records[0].timestamp)
    return None
