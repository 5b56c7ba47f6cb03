"""A Redis that rejects writes for now: the batch is retried, and the error of Redis is reported."""

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from redis.asyncio import Redis

from embedded import EmbeddedValkey
from ingest.batch import Batch, Offset, Partition
from ingest.errors import UnavailableError
from ingest.ports import Extent, LogState
from projector.calendar import Calendar
from projector.deployment import Deployment
from projector.projection import RedisProjection
from tests.support.people import PEOPLE
from tests.support.servers import Servers
from tests.support.waiting import wait_until

Refusal = Callable[[EmbeddedValkey, Redis], Awaitable[None]]


async def _fails_to_save(valkey: EmbeddedValkey, redis: Redis) -> None:
    (valkey.data_folder / "dump.rdb").mkdir()  # where the snapshot would be
    await redis.config_set("save", "3600 1")
    await redis.bgsave()

    async def has_failed() -> bool:
        return bool((await redis.info("persistence"))["rdb_last_bgsave_status"] == "err")

    await wait_until(has_failed, message="the snapshot had failed")


async def _is_full(valkey: EmbeddedValkey, redis: Redis) -> None:
    await redis.config_set("maxmemory", "1")


async def _is_a_replica(valkey: EmbeddedValkey, redis: Redis) -> None:
    await redis.replicaof("127.0.0.1", 1)


async def _lacks_replicas(valkey: EmbeddedValkey, redis: Redis) -> None:
    await redis.config_set("min-replicas-to-write", "1")


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        (_fails_to_save, "MISCONF"),
        (_is_full, "maxmemory"),
        (_is_a_replica, "read only replica"),
        (_lacks_replicas, "NOREPLICAS"),
    ],
)
async def test_every_write_reports_a_transient_error_with_its_cause(
    embedded_valkey: Servers[EmbeddedValkey], refusal: Refusal, words: str
) -> None:
    valkey = await embedded_valkey.start()
    async with Redis.from_url(valkey.url) as redis:
        projection = _projection(redis)
        await projection.claim()
        await projection.begin(_log(partitions=1))
        await refusal(valkey, redis)
        steps = (
            projection.claim(),
            projection.begin(_log(partitions=2)),
            projection.apply(Batch(partition=Partition("activity", 0), start=Offset(0), end=Offset(1))),
        )
        for step in steps:
            with pytest.raises(UnavailableError, match=re.escape(words)):
                await step


def _log(partitions: int) -> LogState:
    extent = Extent(Offset(0), Offset(10))
    return LogState("topic-id", {Partition("activity", number): extent for number in range(partitions)})


def _projection(redis: Redis) -> RedisProjection:
    return RedisProjection(
        redis,
        Calendar(time_zone=ZoneInfo("UTC"), retention_days=400, bucket_retention_days=45),
        PEOPLE,
        deployment=Deployment(topic="activity", time_zone="UTC", user_id_hash_key=None),
        clock=lambda: datetime(2026, 1, 1, tzinfo=UTC),
    )
