"""The status of a deployment: how far the projection is behind the log, by partition."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from api.health import FRESH_FOR
from headcount.clients import api_redis
from headcount.ops.log_check import check_topic
from headcount.preflight.connections import admin_client, read_log_state
from headcount.wiring import Config, utc_now
from ingest.batch import Offset, Partition
from ingest.kafka.topics import count_group_members
from ingest.ports import LogState
from projector.activity_filter import read_activity_filter
from projector.checkpoints import Progress, read_progress
from projector.counter_config import is_list_outdated
from projector.expiry import ExpiryCause, harmful
from projector.gaps import GapReport

ROLLBACK_SHOWN_FOR: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionStatus:
    """`checkpoint` is the next offset to count, None before the first.

    `end` is the log's end, None where the partition cannot be read.
    """

    number: int
    checkpoint: int | None
    end: int | None
    lag: int | None
    as_of: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiredStatus:
    """The number of events that were older than the retention when read, and the time of the last."""

    cause: ExpiryCause
    events: int
    last_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """`as_of` is None while any partition is catching up; `workers` counts the consumer group's members.

    `gaps` are those that no operator has acknowledged. `rolled_back_at` is when Redis was last found to have
    lost writes, None if it never was. Neither `expired` events nor those of the types that are ignored are in
    any counter.
    `concerns` are sentences on what an operator should check.
    """

    topic: str
    workers: int
    catching_up: bool
    lag: int | None
    as_of: datetime | None
    as_of_age_seconds: float | None
    partitions: tuple[PartitionStatus, ...]
    gaps: tuple[GapReport, ...]
    rolled_back_at: datetime | None
    expired: tuple[ExpiredStatus, ...]
    ignored_event_types: tuple[str, ...]
    ignored_user_types: tuple[str, ...]
    concerns: tuple[str, ...]


async def read_status(config: Config) -> Status:
    """Read the status from Kafka and Redis.

    Raises `UnavailableError`, and `OperatorError` if access is denied or Redis holds other counters.
    """
    async with admin_client(config) as admin:
        workers = await count_group_members(admin, config.kafka.group_id)
    log = await read_log_state(config, config.kafka.topic)
    async with api_redis(config) as redis:
        progress = await read_progress(redis)
    check_topic(config, progress)
    return _sum_up(config, workers, log, progress)


def _sum_up(config: Config, workers: int, log: LogState, progress: Progress) -> Status:
    ends = {partition: extent.end for partition, extent in log.extents.items()}
    partitions = tuple(
        _partition_status(partition, ends.get(partition), progress)
        for partition in sorted(ends.keys() | log.unavailable.keys())
    )
    activity_filter = read_activity_filter(progress.deployment)
    lags = [partition.lag for partition in partitions]
    instants = [partition.as_of for partition in partitions if partition.as_of is not None]
    as_of = min(instants) if instants and len(instants) == len(partitions) else None
    age = None if as_of is None else (utc_now() - as_of).total_seconds()
    return Status(
        topic=config.kafka.topic,
        workers=workers,
        catching_up=as_of is None,
        lag=None if None in lags else sum(lag for lag in lags if lag is not None),
        as_of=as_of,
        as_of_age_seconds=age,
        partitions=partitions,
        gaps=tuple(progress.gaps),
        rolled_back_at=progress.rolled_back_at,
        expired=tuple(
            ExpiredStatus(cause=cause, events=found.events, last_at=found.last_at)
            for cause, found in progress.expired.items()
        ),
        ignored_event_types=tuple(sorted(activity_filter.ignored_event_types)),
        ignored_user_types=tuple(sorted(activity_filter.ignored_user_types)),
        concerns=(*_unreadable(log), *_concerns(config, workers, age, progress)),
    )


def _unreadable(log: LogState) -> Iterator[str]:
    for partition, cause in sorted(log.unavailable.items()):
        yield f"Partition {partition} can't be read: {cause}. Its events are not counted until then."


def _concerns(config: Config, workers: int, age: float | None, progress: Progress) -> Iterator[str]:
    if workers == 0:
        yield "No worker is running: no event is counted."
    if age is None:
        yield "The counters don't cover the whole log yet: the API answers 503."
    elif age > FRESH_FOR.total_seconds():
        yield f"The counters are {age:,.0f} s old: a partition is behind or stopped."
    if not progress.checkpoints:
        yield (
            f"Redis at {config.redis.url_redacted} holds no checkpoint: nothing has been counted there yet. "
            "Correct REDIS_URL, or start a worker."
        )
    if progress.gaps:
        number = len(progress.gaps)
        places = f"in {number} place{'' if number == 1 else 's'} of the log"
        yield f"Records {places} were never counted: see headcount gaps list"
    rolled_back_at = progress.rolled_back_at
    if rolled_back_at is not None and utc_now() - rolled_back_at <= ROLLBACK_SHOWN_FOR:
        yield (
            f"Redis was found to have lost writes at {rolled_back_at:%Y-%m-%dT%H:%M:%SZ}: "
            "headcount doctor says what to do."
        )
    if is_list_outdated(progress.deployment):
        yield (
            "People were forgotten or remembered after the log was counted: estimates may include forgotten "
            "people, and remembered people may be missing. Run headcount rebuild."
        )
    if causes := harmful(progress.expired, utc_now()):
        yield (
            f"Events arrive that are older than the retention ({', '.join(causes)}): they are in no counter. "
            "Correct their producers; headcount doctor says how."
        )


def _partition_status(partition: Partition, end: Offset | None, progress: Progress) -> PartitionStatus:
    checkpoint = progress.checkpoints.get(partition)
    return PartitionStatus(
        number=partition.number,
        checkpoint=checkpoint,
        end=end,
        lag=None if checkpoint is None or end is None else max(0, end - checkpoint),
        as_of=progress.as_of.get(partition),
    )
