"""The projection in Redis: the contents of its counters, their expiry, and its errors."""

import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from embedded import EmbeddedValkey
from ingest.batch import Batch, Offset, Partition
from ingest.errors import PartitionStoppedError, UnavailableError
from ingest.events.event import Event
from ingest.ports import Extent, LogState
from projector import keys
from projector.calendar import BUCKET_SECONDS, Calendar
from projector.checkpoints import read_progress
from projector.deployment import Deployment
from projector.projection import RedisProjection
from projector.stats import Stats
from tests.support.people import PEOPLE, PSEUDONYMS, content, count, is_exact
from tests.support.servers import Servers

PARTITION = Partition("user-activity", 0)
NOW = datetime.now(UTC).replace(microsecond=0)
TODAY = keys.FIRST.day("acme", NOW.date())
KEPT = Calendar(time_zone=ZoneInfo("UTC"), retention_days=400, bucket_retention_days=45)
FOR_EVER = Calendar(time_zone=ZoneInfo("UTC"), retention_days=0, bucket_retention_days=0)


def projection_in(redis: Redis, *, calendar: Calendar = KEPT, stats: Stats | None = None) -> RedisProjection:
    deployment = Deployment(topic="user-activity", time_zone="UTC", user_id_hash_key=PSEUDONYMS.fingerprint)
    return RedisProjection(redis, calendar, PEOPLE, deployment=deployment, clock=lambda: NOW, stats=stats)


async def begun(redis: Redis, *, calendar: Calendar = KEPT, stats: Stats | None = None) -> RedisProjection:
    projection = projection_in(redis, calendar=calendar, stats=stats)
    await projection.begin(LogState("one", {PARTITION: Extent(Offset(0), Offset(0))}))
    return projection


def event(user_id: str | None, occurred_at: datetime = NOW, workspace_id: str = "acme") -> Event:
    return Event(workspace_id=workspace_id, occurred_at=occurred_at, type="message", user_id=user_id)


def batch(start: int, *events: Event) -> Batch:
    return Batch(partition=PARTITION, start=Offset(start), end=Offset(start + len(events)), events=events)


def bucket(instant: datetime) -> str:
    return keys.FIRST.bucket("acme", int(instant.timestamp()) // BUCKET_SECONDS)


async def counter_keys(redis: Redis) -> set[str]:
    found: list[bytes] = [key async for key in redis.scan_iter()]
    return {key.decode() for key in found if keys.FIRST.counter(key.decode())}


@pytest.mark.parametrize("counted_users", [1, 2, 10, 300, 511, 512])
async def test_a_day_of_few_users_is_exact(redis_client: Redis, counted_users: int) -> None:
    projection = await begun(redis_client)
    await projection.apply(batch(0, *(event(f"user-{number}") for number in range(counted_users))))
    assert await count(redis_client, TODAY) == counted_users
    assert await is_exact(redis_client, TODAY)
    assert await redis_client.object("encoding", TODAY) == b"intset"


@pytest.mark.parametrize("counted_users", [513, 600, 3_000])
async def test_a_day_of_many_users_has_the_estimate_of_a_plain_hyperloglog(
    redis_client: Redis, counted_users: int
) -> None:
    user_ids = [f"user-{number}" for number in range(counted_users)]
    projection = await begun(redis_client)
    for start, end in pairwise((0, 400, 511, 513, counted_users)):
        await projection.apply(batch(start, *map(event, user_ids[start:end])))
    users = sorted(PSEUDONYMS.of("acme", user_ids))
    for start in range(0, counted_users, 1_000):
        await redis_client.pfadd("plain", *users[start : start + 1_000])
    assert not await is_exact(redis_client, TODAY)
    assert await content(redis_client, TODAY) == await content(redis_client, "plain")


async def test_one_counter_accepts_more_users_than_lua_accepts_arguments(redis_client: Redis) -> None:
    projection = await begun(redis_client)
    events = [event(f"user-{number}") for number in range(20_000)]
    assert await projection.apply(batch(0, *events)) == 20_000
    assert abs(await count(redis_client, TODAY) - 20_000) < 20_000 * 0.033


async def test_one_batch_can_have_thousands_of_counters(redis_client: Redis) -> None:
    projection = await begun(redis_client)
    events = [event("alice", workspace_id=f"w-{number}") for number in range(5_000)]
    assert await projection.apply(batch(0, *events)) == 5_000
    assert len(await counter_keys(redis_client)) == 10_000


@pytest.mark.parametrize("user_id", ["é", "😀" * 128, "\x00", "a\nb", "a b", "'; return 1 --", "%s", "{1}"])
async def test_any_text_is_one_user(redis_client: Redis, user_id: str) -> None:
    projection = await begun(redis_client)
    await projection.apply(batch(0, event(user_id), event(user_id), event("another user")))
    assert await count(redis_client, TODAY) == 2


async def test_counters_expire_with_their_retention(redis_client: Redis) -> None:
    projection = await begun(redis_client)
    earlier = NOW - timedelta(days=44)
    await projection.apply(batch(0, event("alice"), event("bob", earlier)))
    midnight = datetime(NOW.year, NOW.month, NOW.day, tzinfo=UTC)
    assert await redis_client.expiretime(TODAY) == (midnight + timedelta(days=401)).timestamp()
    expires_at = datetime.fromtimestamp(await redis_client.expiretime(bucket(earlier)), UTC)
    assert timedelta(0) < expires_at - timedelta(days=45) - earlier <= timedelta(minutes=15)


async def test_expired_events_are_in_no_counter(redis_client: Redis) -> None:
    stats = Stats()
    projection = await begun(redis_client, stats=stats)
    ages = [timedelta(days=days) for days in (0, 44, 46, 399, 402)]
    events = [event("alice", NOW - age) for age in ages]
    await projection.apply(batch(0, *events, event(None)))
    kept = {keys.FIRST.day("acme", (NOW - age).date()) for age in ages[:4]}
    assert await counter_keys(redis_client) == kept | {bucket(NOW), bucket(NOW - ages[1])}
    assert stats == Stats(counted=4, anonymous=1, expired=1, causes=Counter({"older-than-retention": 1}))


async def test_expired_events_are_recorded_once_if_their_batch_is_sent_again(
    redis_client: Redis,
) -> None:
    """A batch whose reply was lost is sent again: the checkpoint rejects it together with its counts."""
    projection = await begun(redis_client)
    await projection.checkpoints()
    zero, seconds = datetime(1970, 1, 1, tzinfo=UTC), datetime(1970, 1, 20, 6, tzinfo=UTC)
    step = projection.stage(batch(0, event("alice", zero), event("bob", seconds), event("carol", seconds)))
    assert [await step(), await step()] == [3, 3]
    await projection.apply(batch(3, event("alice", zero), event("alice")))
    expired = (await read_progress(redis_client)).expired
    assert {cause: found.events for cause, found in expired.items()} == {
        "seconds-for-milliseconds": 2,
        "epoch-zero": 2,
    }
    now = await projection.now()
    assert all(now - timedelta(minutes=5) < found.last_at <= now for found in expired.values())


async def test_without_a_retention_counters_have_no_expiry(redis_client: Redis) -> None:
    projection = await begun(redis_client, calendar=FOR_EVER)
    await projection.apply(batch(0, event("alice", NOW - timedelta(days=9_000))))
    assert [await redis_client.ttl(key) for key in await counter_keys(redis_client)] == [-1, -1]


async def test_a_counter_follows_a_changed_retention(redis_client: Redis) -> None:
    """As soon as a user is added to it."""
    await (await begun(redis_client)).apply(batch(0, event("alice")))
    await projection_in(redis_client, calendar=FOR_EVER).apply(batch(1, event("bob")))
    assert await redis_client.ttl(TODAY) == -1
    await projection_in(redis_client).apply(batch(2, event("carol")))
    assert await redis_client.ttl(TODAY) > 0


async def test_a_counter_that_becomes_an_estimate_keeps_its_expiry(redis_client: Redis) -> None:
    projection = await begun(redis_client)
    counted_users = [event(f"user-{number}") for number in range(600)]
    await projection.apply(batch(0, *counted_users[:300]))
    exact = await redis_client.expiretime(TODAY)
    await projection.apply(batch(300, *counted_users[300:]))
    assert not await is_exact(redis_client, TODAY)
    assert await redis_client.expiretime(TODAY) == exact > 0


async def test_cached_users_are_counted_again_after_redis_lost_its_data(redis_client: Redis) -> None:
    """The deduplication cache depends on the checkpoint, which is lost with the counters."""
    projection = await begun(redis_client)
    await projection.apply(batch(0, event("alice")))
    await projection.apply(batch(1, event("alice"), event("bob")))
    await redis_client.flushall()
    assert await projection.apply(batch(3, event("alice"))) is None
    await projection.begin(LogState("one", {PARTITION: Extent(Offset(0), Offset(4))}))
    await projection.checkpoints()
    await projection.apply(batch(0, event("alice")))
    assert await count(redis_client, TODAY) == 1


async def test_many_batches_equal_one_batch_of_all_events(redis_client: Redis) -> None:
    projection = await begun(redis_client)
    counted_users = [event(f"user-{number % 700}") for number in range(2_000)]
    for start in range(0, 2_000, 100):
        await projection.apply(batch(start, *counted_users[start : start + 100]))
    parts = await content(redis_client, TODAY)
    await redis_client.flushall()
    again = await begun(redis_client)
    await again.apply(batch(0, *counted_users))
    assert await content(redis_client, TODAY) == parts


async def test_checkpoints_never_expire(redis_client: Redis) -> None:
    projection = await begun(redis_client)
    await projection.apply(Batch(partition=PARTITION, start=Offset(0), end=Offset(1), as_of=NOW))
    for key in (keys.FIRST.checkpoints, keys.FIRST.as_of, keys.ONLY.deployment):
        assert await redis_client.ttl(key) == -1


async def test_redis_may_lose_its_script_cache(redis_client: Redis) -> None:
    projection = await begun(redis_client)
    await projection.apply(batch(0, event("alice")))
    await redis_client.script_flush()
    assert await projection.apply(batch(1, event("bob"))) == 2
    assert await count(redis_client, TODAY) == 2


@pytest.mark.parametrize("value", [b"a plain string", b"HYLL" + b"\xff" * 20])
async def test_a_key_that_is_no_counter_stops_the_partition_and_is_reported(
    redis_client: Redis, value: bytes
) -> None:
    projection = await begun(redis_client)
    wrong = keys.FIRST.day("other", NOW.date())
    await redis_client.set(wrong, value)
    with pytest.raises(PartitionStoppedError) as caught:
        await projection.apply(batch(0, event("alice"), event("bob", workspace_id="other")))
    assert caught.value.partition == PARTITION
    assert wrong in str(caught.value)
    assert (await projection.checkpoints()).offsets == {PARTITION: 0}
    assert await redis_client.get(wrong) == value


@pytest.mark.parametrize("wrong", [keys.FIRST.checkpoints, keys.FIRST.as_of, keys.ONLY.deployment])
async def test_a_key_that_has_no_checkpoints_stops_the_partition_before_any_write(
    redis_client: Redis, wrong: str
) -> None:
    projection = await begun(redis_client)
    await projection.checkpoints()
    await redis_client.set(wrong, "a plain string")
    step = Batch(partition=PARTITION, start=Offset(0), end=Offset(1), events=[event("alice")], as_of=NOW)
    with pytest.raises(PartitionStoppedError, match=f"at {re.escape(wrong)}"):
        await projection.apply(step)
    assert await redis_client.exists(TODAY) == 0
    places = {keys.FIRST.checkpoints: {str(PARTITION).encode(): b"0"}, keys.FIRST.as_of: {}}
    for key in places.keys() - {wrong}:
        assert await redis_client.hgetall(key) == places[key]


async def test_a_checkpoint_that_cannot_be_read_is_retried_and_reported(redis_client: Redis) -> None:
    projection = await begun(redis_client)
    await redis_client.set(keys.FIRST.as_of, "a plain string")
    with pytest.raises(UnavailableError, match=re.escape(keys.FIRST.as_of)):
        await projection.checkpoints()


async def test_a_partition_continues_once_the_key_is_fixed(redis_client: Redis) -> None:
    projection = await begun(redis_client)
    await redis_client.hset(TODAY, "not", "a counter")
    with pytest.raises(PartitionStoppedError):
        await projection.apply(batch(0, event("alice")))
    await redis_client.delete(TODAY)
    assert await projection.apply(batch(0, event("alice"))) == 1
    assert await count(redis_client, TODAY) == 1


async def test_a_full_redis_leaves_the_checkpoint_and_is_retried(
    embedded_valkey: Servers[EmbeddedValkey],
) -> None:
    valkey = await embedded_valkey.start()
    async with Redis.from_url(valkey.url) as redis:
        projection = await begun(redis)
        await redis.config_set("maxmemory", "1")
        with pytest.raises(UnavailableError, match="maxmemory"):
            await projection.apply(batch(0, event("alice")))
        assert (await projection.checkpoints()).offsets == {PARTITION: 0}
        await redis.config_set("maxmemory", "0")
        assert await projection.apply(batch(0, event("alice"))) == 1


async def test_an_unreachable_redis_is_retried(unused_tcp_port: int) -> None:
    async with Redis(port=unused_tcp_port, retry=Retry(NoBackoff(), 0)) as redis:
        projection = projection_in(redis)
        steps = [
            projection.claim(),
            projection.checkpoints(),
            projection.begin(LogState("one", {})),
            projection.restart(LogState("two", {}), []),
            projection.rewind(PARTITION, expected=Offset(1), to=Offset(0), gap=None),
            projection.apply(batch(0, event("alice"))),
        ]
        for step in steps:
            with pytest.raises(UnavailableError):
                await step
