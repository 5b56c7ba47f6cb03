"""The shadow projection and the repair on a real Redis: their findings, and their effects on its keys."""

import random
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest
from redis.asyncio import Redis

from ingest.batch import Batch, Offset, Partition
from ingest.errors import UnavailableError
from ingest.events.event import Event
from ingest.ports import Extent, LogState
from projector import keys
from projector.calendar import Calendar, bucket_of
from projector.counted_users import record_forgotten
from projector.deployment import Deployment
from projector.projection import RedisProjection
from projector.rebuild.erasure import erase
from projector.rebuild.finding import Finding
from projector.rebuild.repair import Repair
from projector.rebuild.shadow import ShadowProjection
from projector.redis import server
from tests.support.people import PEOPLE, PSEUDONYMS

PARTITION = Partition("t", 0)
NOW = datetime.now(UTC)
"""Redis uses the real time to expire keys."""
DAY = keys.Counter("acme", NOW.date())
BUCKET = keys.Counter("acme", bucket_of(NOW))
DAY_KEY = keys.FIRST.day("acme", NOW.date())
BUCKET_KEY = keys.FIRST.bucket("acme", bucket_of(NOW))
FOR_EVER = Calendar(time_zone=ZoneInfo("UTC"), retention_days=0, bucket_retention_days=0)


def now() -> datetime:
    return NOW


def batch_of(users: Iterable[int], *, start: int = 0, end: int = 9) -> Batch:
    events = [Event("acme", NOW, "message", f"user-{number}") for number in users]
    return Batch(partition=PARTITION, start=Offset(start), end=Offset(end), events=events)


async def count(redis: Redis, batch: Batch, calendar: Calendar = FOR_EVER) -> None:
    """Count a batch into the live counters of an empty Redis."""
    deployment = Deployment(topic="t", time_zone="UTC", user_id_hash_key=PSEUDONYMS.fingerprint)
    projection = RedisProjection(redis, calendar, PEOPLE, deployment=deployment, clock=now)
    await projection.begin(LogState("id", {PARTITION: Extent(batch.start, batch.end)}))
    assert await projection.apply(batch) == batch.end


async def begun(redis: Redis, calendar: Calendar = FOR_EVER) -> ShadowProjection:
    shadow = ShadowProjection(redis, calendar, PEOPLE, clock=now)
    await shadow.begin({PARTITION: Offset(0)})
    return shadow


async def found_by(shadow: ShadowProjection) -> set[Finding]:
    found = [finding async for finding in shadow.compare()]
    assert len(found) == len(set(found))
    return set(found)


@pytest.mark.parametrize("users", [1, 300, 5_000])
async def test_the_same_events_in_another_order_and_other_batches_do_not_differ(
    redis_client: Redis, users: int
) -> None:
    """Even if one of the two HyperLogLogs became dense in another way."""
    numbers = list(range(users))
    await count(redis_client, batch_of(numbers))
    random.Random(7).shuffle(numbers)
    shadow = await begun(redis_client)
    await shadow.apply(batch_of(numbers[: users // 3], end=4))
    await shadow.apply(batch_of(numbers, start=4))
    assert await found_by(shadow) == set()


@pytest.mark.parametrize(("counted", "users"), [(1, 2), (200, 300), (300, 5_000), (4_900, 5_000)])
async def test_missing_users_are_found_in_exact_counters_and_estimates(
    redis_client: Redis, counted: int, users: int
) -> None:
    await count(redis_client, batch_of(range(counted)))
    shadow = await begun(redis_client)
    await shadow.apply(batch_of(range(users)))
    assert await found_by(shadow) == {Finding(DAY, "incomplete"), Finding(BUCKET, "incomplete")}


@pytest.mark.parametrize(("counted", "users"), [(2, 1), (5_000, 200), (5_000, 4_900)])
async def test_users_counted_since_are_surplus(redis_client: Redis, counted: int, users: int) -> None:
    await count(redis_client, batch_of(range(counted)))
    shadow = await begun(redis_client)
    await shadow.apply(batch_of(range(users)))
    assert await found_by(shadow) == {Finding(DAY, "surplus"), Finding(BUCKET, "surplus")}


async def test_each_kind_of_damage_has_its_state(redis_client: Redis) -> None:
    await count(redis_client, batch_of(range(9)))
    await redis_client.delete(DAY_KEY)
    await redis_client.set(BUCKET_KEY, "no counter")
    others = {day: keys.Counter("acme", date(2021, 3, day)) for day in (1, 2, 3)}
    await redis_client.rpush(keys.FIRST.day("acme", date(2021, 3, 1)), "x")
    await redis_client.set(keys.FIRST.day("acme", date(2021, 3, 2)), "no counter")
    await redis_client.pfadd(keys.FIRST.day("acme", date(2021, 3, 3)), "x")
    shadow = await begun(redis_client)
    await shadow.apply(batch_of(range(9)))
    assert await found_by(shadow) == {
        Finding(DAY, "missing"),
        Finding(BUCKET, "not-a-counter"),
        Finding(others[1], "not-a-counter"),
        Finding(others[2], "not-a-counter"),
        Finding(others[3], "surplus"),
    }


async def test_more_counters_than_a_page_are_all_compared(redis_client: Redis) -> None:
    days = [date(2021, 1, 1) + timedelta(days=each) for each in range(500)]
    for day in days:
        await redis_client.pfadd(keys.FIRST.day("acme", day), "x")
    assert {finding.counter.period for finding in await found_by(await begun(redis_client))} == set(days)


async def test_a_counter_that_expired_meanwhile_is_not_missing(redis_client: Redis) -> None:
    clock = NOW
    calendar = Calendar(time_zone=ZoneInfo("UTC"), retention_days=1, bucket_retention_days=1)
    shadow = ShadowProjection(redis_client, calendar, PEOPLE, clock=lambda: clock)
    await shadow.begin({PARTITION: Offset(0)})
    await shadow.apply(batch_of([1]))
    assert await found_by(shadow) == {Finding(DAY, "missing"), Finding(BUCKET, "missing")}
    clock = NOW + timedelta(days=3)
    assert await found_by(shadow) == set()


async def test_a_shadow_projection_leaves_no_key_behind_and_would_expire(redis_client: Redis) -> None:
    await count(redis_client, batch_of(range(9)))
    before = set(await redis_client.keys())
    shadow = await begun(redis_client)
    await shadow.apply(batch_of(range(20)))
    assert await found_by(shadow) == {Finding(DAY, "incomplete"), Finding(BUCKET, "incomplete")}
    added = {key for key in await redis_client.keys(keys.ONLY.shadow("*").every) if key not in before}
    assert len(added) == 3
    assert all([await redis_client.expiretime(cast("str", key)) > NOW.timestamp() for key in added])
    await shadow.remove()
    assert set(await redis_client.keys()) == before


async def test_two_shadow_projections_are_independent(redis_client: Redis) -> None:
    await count(redis_client, batch_of(range(9)))
    one, other = await begun(redis_client), await begun(redis_client)
    await one.apply(batch_of(range(9)))
    await other.apply(batch_of(range(20)))
    assert await found_by(one) == set()
    await one.remove()
    assert await found_by(other) == {Finding(DAY, "incomplete"), Finding(BUCKET, "incomplete")}


async def test_a_redis_that_lost_the_shadow_projection_is_reported(redis_client: Redis) -> None:
    shadow = await begun(redis_client)
    await shadow.apply(batch_of(range(9)))
    await redis_client.flushdb()
    with pytest.raises(UnavailableError, match="start again"):
        await found_by(shadow)
    with pytest.raises(UnavailableError, match="start again"):
        await shadow.apply(batch_of(range(9), start=9, end=12))


async def test_a_shadow_projection_stops_before_redis_is_full(
    redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    shadow = await begun(redis_client)
    monkeypatch.setattr(server, "MAX_MEMORY_USE", 1e-6)
    limit = (await redis_client.config_get("maxmemory"))["maxmemory"] or "0"
    await redis_client.config_set("maxmemory", "1gb")
    try:
        with pytest.raises(UnavailableError, match="maxmemory"):
            await shadow.apply(batch_of(range(9)))
    finally:
        await redis_client.config_set("maxmemory", limit)


async def test_a_repair_gives_the_counters_of_a_clean_run(redis_client: Redis) -> None:
    """Byte for byte: no count was read, so that none is cached."""
    await count(redis_client, batch_of(range(5_000)))
    clean = {key: await redis_client.get(key) for key in (DAY_KEY, BUCKET_KEY)}
    checkpoint = await redis_client.dump(keys.FIRST.checkpoints)
    await redis_client.delete(*clean)
    await redis_client.pfadd(BUCKET_KEY, *PSEUDONYMS.of("acme", (f"user-{number}" for number in range(100))))
    repair = Repair(redis_client, FOR_EVER, PEOPLE, clock=now)
    batch = batch_of(range(5_000))
    assert await repair.add(batch.events) == [Finding(DAY, "missing"), Finding(BUCKET, "incomplete")]
    assert await repair.add(batch.events) == []
    assert {key: await redis_client.get(key) for key in clean} == clean
    assert await redis_client.dump(keys.FIRST.checkpoints) == checkpoint


class Interrupted(Redis):
    """A client that runs a callback right before its first script."""

    @classmethod
    def of(cls, url: str) -> "Interrupted":
        client = cls.from_url(url)
        assert isinstance(client, cls)
        return client

    def interrupt(self, happening: Callable[[], Awaitable[object]]) -> None:
        self._happening: Callable[[], Awaitable[object]] | None = happening

    async def execute_command(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - redis-py's signature
        if args[0] == "EVALSHA" and self._happening is not None:
            happening, self._happening = self._happening, None
            await happening()
        return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]


async def test_a_repair_does_not_add_a_user_who_is_forgotten_meanwhile(
    redis_client: Redis, redis_url: str
) -> None:
    await count(redis_client, batch_of(range(3)))
    (pseudonym,) = PSEUDONYMS.of("acme", ["user-1"])

    async def forget() -> None:
        await record_forgotten(redis_client, pseudonym, workspace_id="acme")
        assert (await erase(redis_client, pseudonym, workspace_id="acme")).removed == 2

    client = Interrupted.of(redis_url)
    async with client:
        client.interrupt(forget)
        repair = Repair(client, FOR_EVER, PEOPLE, clock=now)
        assert await repair.add(batch_of(range(4)).events) == [
            Finding(DAY, "incomplete"),
            Finding(BUCKET, "incomplete"),
        ]
    expected = {each.encode() for each in PSEUDONYMS.of("acme", ["user-0", "user-2", "user-3"])}
    assert await redis_client.smembers(DAY_KEY) == await redis_client.smembers(BUCKET_KEY) == expected


async def test_a_repair_adds_to_the_generation_that_became_live_meanwhile(
    redis_client: Redis, redis_url: str
) -> None:
    await count(redis_client, batch_of(range(3)))
    client = Interrupted.of(redis_url)
    async with client:
        client.interrupt(lambda: redis_client.hset(keys.ONLY.deployment, "generation", "1"))
        repair = Repair(client, FOR_EVER, PEOPLE, clock=now)
        assert await repair.add(batch_of([7]).events) == [Finding(DAY, "missing"), Finding(BUCKET, "missing")]
    assert await redis_client.scard(DAY_KEY) == 3
    assert await redis_client.scard(keys.ONLY.generation(1).day("acme", NOW.date())) == 1


async def test_a_repair_skips_a_key_that_is_no_counter(redis_client: Redis) -> None:
    await redis_client.rpush(DAY_KEY, "x")
    repair = Repair(redis_client, FOR_EVER, PEOPLE, clock=now)
    assert await repair.add(batch_of([1]).events) == [
        Finding(DAY, "not-a-counter"),
        Finding(BUCKET, "missing"),
    ]
    assert await redis_client.lrange(DAY_KEY, 0, -1) == [b"x"]
