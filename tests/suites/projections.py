"""Projections with access to their stored state: the fake, and the one in Redis."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from redis.asyncio import Redis

from ingest.batch import Offset, Partition
from ingest.events.event import Event
from ingest.ports import Projection
from projector.calendar import Calendar
from projector.checkpoints import read_progress
from projector.deployment import Deployment
from projector.projection import RedisProjection
from projector.stats import Stats
from tests.support.fakes_log import NOW
from tests.support.fakes_projection import FOR_EVER, FakeProjection, Projected
from tests.support.people import PEOPLE, PSEUDONYMS, count

DEPLOYMENT = Deployment(topic="user-activity", time_zone="UTC", user_id_hash_key=PSEUDONYMS.fingerprint)


def an_event(user_id: str | None, occurred_at: datetime = NOW, workspace_id: str = "acme") -> Event:
    return Event(workspace_id=workspace_id, occurred_at=occurred_at, type="message", user_id=user_id)


def redis_projection(
    redis: Redis, *, calendar: Calendar = FOR_EVER, stats: Stats | None = None
) -> RedisProjection:
    """Return a projection whose clock is fixed at `NOW`."""
    return RedisProjection(redis, calendar, PEOPLE, deployment=DEPLOYMENT, clock=lambda: NOW, stats=stats)


class ObservedProjection(Protocol):
    """A projection, and its stored state."""

    @property
    def projection(self) -> Projection: ...
    async def checkpoint(self, partition: Partition) -> Offset: ...
    async def as_of(self) -> Mapping[Partition, datetime]: ...
    async def gaps(self) -> Sequence[tuple[int, str]]:
        """Return the number of the partition, and the cause, of each gap."""
        ...

    async def count(self, key: str) -> int: ...
    async def rolled_back_at(self) -> datetime | None: ...


class ObservedFake:
    """The fake."""

    def __init__(self, stored: Projected) -> None:
        self.projection = FakeProjection(stored)
        self._stored = stored

    async def checkpoint(self, partition: Partition) -> Offset:
        return self._stored.checkpoints[partition]

    async def as_of(self) -> Mapping[Partition, datetime]:
        return self._stored.as_of

    async def gaps(self) -> Sequence[tuple[int, str]]:
        return [(gap.partition.number, gap.cause) for gap in self._stored.gaps]

    async def count(self, key: str) -> int:
        return len(self._stored.counters[key])

    async def rolled_back_at(self) -> datetime | None:
        return self._stored.rolled_back_at


class ObservedRedis:
    """The one in Redis."""

    def __init__(self, redis: Redis, *, as_worker: Redis | None = None) -> None:
        self.projection = redis_projection(as_worker or redis)
        self._redis = redis

    async def checkpoint(self, partition: Partition) -> Offset:
        return (await read_progress(self._redis)).checkpoints[partition]

    async def as_of(self) -> Mapping[Partition, datetime]:
        return (await read_progress(self._redis)).as_of

    async def gaps(self) -> Sequence[tuple[int, str]]:
        gaps = (await read_progress(self._redis)).gaps
        return [(gap.partition, gap.cause) for gap in gaps]

    async def count(self, key: str) -> int:
        return await count(self._redis, key)

    async def rolled_back_at(self) -> datetime | None:
        return (await read_progress(self._redis)).rolled_back_at
