"""The union of counters: each user once, exact if each of the counters is."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from ingest.batch import Batch, Offset, Partition
from ingest.events.event import Event
from ingest.ports import Extent, LogState
from projector import keys
from projector.calendar import bucket_of, buckets_of
from projector.keys import Counter
from projector.views.daily import ESTIMATE_STANDARD_ERROR
from projector.views.unions import UnionCount, Unions
from tests.suites.projections import redis_projection
from tests.support.people import PSEUDONYMS

PARTITION = Partition("user-activity", 0)
MONDAY = datetime(2024, 5, 13, 12, tzinfo=UTC)
EXACT = 512


def active(number: int, occurred_at: datetime) -> Event:
    return Event("acme", occurred_at, "message", f"user-{number}")


async def project(redis: Redis, events: Sequence[Event]) -> None:
    await redis.flushdb()
    projection = redis_projection(redis)
    await projection.begin(LogState("one", {PARTITION: Extent(Offset(0), Offset(0))}))
    end = Offset(len(events) + 1)
    assert await projection.apply(Batch(partition=PARTITION, start=Offset(0), end=end, events=events)) == end


async def plain_estimate(redis: Redis, numbers: set[int]) -> int:
    """Return the estimate of one HyperLogLog of all of them."""
    await redis.pfadd("plain", *PSEUDONYMS.of("acme", (f"user-{number}" for number in numbers)))
    estimate: int = await redis.pfcount("plain")
    await redis.delete("plain")
    return estimate


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    days=st.lists(
        st.tuples(st.integers(0, 700), st.integers(0, 40) | st.integers(EXACT - 3, EXACT + 3)),
        min_size=1,
        max_size=7,
    )
)
async def test_a_union_counts_each_user_once(redis_client: Redis, days: list[tuple[int, int]]) -> None:
    """Each day has a number of users with consecutive ids from a first one on."""
    present = [set(range(first, first + counted_users)) for first, counted_users in days]
    instants = [MONDAY + timedelta(days=number) for number in range(len(days))]
    await project(
        redis_client,
        [
            active(number, instant)
            for counted_users, instant in zip(present, instants, strict=True)
            for number in counted_users
        ],
    )
    all_users = set().union(*present)
    found = await Unions(redis_client).count([Counter("acme", instant.date()) for instant in instants])
    if all(len(counted_users) <= EXACT for counted_users in present):
        assert found == UnionCount(len(all_users), 0.0)
    else:
        assert found == UnionCount(await plain_estimate(redis_client, all_users), ESTIMATE_STANDARD_ERROR)


async def test_a_union_of_exact_counters_is_exact_at_any_size(redis_client: Redis) -> None:
    """Also beyond the limits of a single exact counter and of Lua's stack."""
    events = [active(number, MONDAY + timedelta(days=number % 20)) for number in range(20 * EXACT)]
    await project(redis_client, events)
    week = [Counter("acme", (MONDAY + timedelta(days=number)).date()) for number in range(20)]
    assert await Unions(redis_client).count(week) == UnionCount(20 * EXACT, 0.0)


async def test_large_sets_and_an_estimate_are_merged_completely(redis_client: Redis) -> None:
    events = [active(number, MONDAY + timedelta(days=number % 20)) for number in range(20 * EXACT)]
    extra = [active(number, MONDAY + timedelta(days=30)) for number in range(EXACT + 1)]
    await project(redis_client, [*events, *extra])
    days = [Counter("acme", (MONDAY + timedelta(days=number)).date()) for number in (*range(20), 30)]
    expected = await plain_estimate(redis_client, set(range(20 * EXACT)))
    assert await Unions(redis_client).count(days) == UnionCount(expected, ESTIMATE_STANDARD_ERROR)


async def test_another_zones_day_is_the_union_of_its_buckets(redis_client: Redis) -> None:
    kathmandu = ZoneInfo("Asia/Kathmandu")  # whose days begin at a quarter past six in UTC
    midnight = datetime(2024, 5, 14, tzinfo=kathmandu).astimezone(UTC)
    inside = [active(1, midnight), active(2, midnight + timedelta(days=1, seconds=-1)), active(1, MONDAY)]
    outside = [active(3, midnight - timedelta(seconds=1)), active(4, midnight + timedelta(days=1))]
    await project(redis_client, [*inside, *outside])
    day = [Counter("acme", bucket) for bucket in buckets_of(date(2024, 5, 14), kathmandu)]
    assert len(day) == 96
    assert await Unions(redis_client).count(day) == UnionCount(2, 0.0)


async def test_a_union_leaves_no_key_behind(redis_client: Redis) -> None:
    events = [active(number, MONDAY) for number in range(EXACT + 1)] + [active(1, MONDAY + timedelta(days=1))]
    await project(redis_client, events)
    before = {key async for key in redis_client.scan_iter()}
    await Unions(redis_client).count([Counter("acme", MONDAY.date()), Counter("acme", bucket_of(MONDAY))])
    await Unions(redis_client).count([])
    assert {key async for key in redis_client.scan_iter()} == before


async def test_a_union_reads_the_live_generation(redis_client: Redis) -> None:
    await project(redis_client, [active(1, MONDAY)])
    await redis_client.sadd(keys.ONLY.generation(1).day("acme", MONDAY.date()), "7", "8", "9")
    await redis_client.hset(keys.ONLY.deployment, "generation", "1")
    assert await Unions(redis_client).count([Counter("acme", MONDAY.date())]) == UnionCount(3, 0.0)


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("UTC", date(2024, 5, 14), 24),
        ("Europe/Berlin", date(2024, 3, 31), 23),
        ("Europe/Berlin", date(2024, 10, 27), 25),
        ("Australia/Lord_Howe", date(2024, 4, 7), 24.5),
    ],
)
def test_a_day_has_the_buckets_between_its_midnights(zone: str, day: date, hours: float) -> None:
    assert len(buckets_of(day, ZoneInfo(zone))) == hours * 4
