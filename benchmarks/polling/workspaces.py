"""The workspaces that are asked for: how many people each day of them has, and their counters in Redis."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from typing import Final

from redis.asyncio import Redis

from api.endpoints.weekly_data.contract import WINDOW_DAYS
from benchmarks.people import Counts, WorkspaceDay
from benchmarks.polling.handlers import SKETCH
from headcount.wiring import Config, calendar, counted_users, deployment, utc_now
from ingest.batch import Batch, Offset, Partition
from ingest.events.event import Event
from ingest.ports import Extent, LogState
from projector.projection import RedisProjection

POLLED: Final = "polled"
POLLED_USERS: Final = 1_000
"""A day: more than a counter keeps exactly, so that Headcount has to estimate as PFCOUNT has."""

MANY: Final = tuple(f"many-{number:04}" for number in range(2_000))
MANY_WINDOWS: Final = 9
"""How many windows of each of the many workspaces are asked for, a day apart."""
MANY_USERS: Final = 5
"""The most of a day of theirs."""

TOLERANCE: Final = 0.05
"""More than six standard errors of an estimate; a day of a few users is exact."""

_EVENTS_A_BATCH: Final = 5_000


def window(last: date) -> Sequence[date]:
    """Return the days of an answer, newest first."""
    return [last - timedelta(days=back) for back in range(WINDOW_DAYS)]


def make(last: date) -> Counts:
    """Say how many people each day has, up to the last."""
    counts = {WorkspaceDay(POLLED, day): POLLED_USERS for day in window(last)}
    for back in range(MANY_WINDOWS + WINDOW_DAYS - 1):
        day = last - timedelta(days=back)
        for number, workspace_id in enumerate(MANY):
            counts[WorkspaceDay(workspace_id, day)] = 1 + (number + back) % MANY_USERS
    return counts


def weeks(last: date) -> Iterator[WorkspaceDay]:
    """Yield the weeks, by their last days: the polled one, those of the many, theirs of the day before ..."""
    yield WorkspaceDay(POLLED, last)
    for back in range(MANY_WINDOWS):
        for workspace_id in MANY:
            yield WorkspaceDay(workspace_id, last - timedelta(days=back))


async def project(config: Config, redis: Redis, counts: Counts) -> None:
    """Count an event for each person and day, through the projection, as the whole of a log."""
    projection = RedisProjection(
        redis, calendar(config), counted_users(config), deployment=deployment(config), clock=utc_now
    )
    await projection.claim()
    partition, start, end = Partition(config.kafka.topic, 0), Offset(0), Offset(sum(counts.values()))
    await projection.begin(LogState("benchmark", {partition: Extent(start, end)}))
    events = _events(counts)
    while batch := list(islice(events, _EVENTS_A_BATCH)):
        after = Offset(start + len(batch))
        as_of = utc_now() if after == end else None
        await projection.apply(Batch(partition=partition, start=start, end=after, events=batch, as_of=as_of))
        start = after


async def sketch(redis: Redis, counts: Counts) -> None:
    """Count the polled workspace's people as one would without Headcount: a HyperLogLog a day."""
    for day, users in counts.items():
        if day.workspace_id == POLLED:
            await redis.pfadd(SKETCH(day.day.isoformat()), *_ids(users))


def _events(counts: Counts) -> Iterator[Event]:
    for day, users in counts.items():
        instant = datetime.combine(day.day, time(), UTC)
        for user_id in _ids(users):
            yield Event(day.workspace_id, instant, "message", user_id)


def _ids(users: int) -> Iterable[str]:
    return (f"{number:017}" for number in range(users))
