"""The daily view: counts, as-of, and the conditions under which it gives no answer."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from embedded import EmbeddedValkey
from ingest.batch import Batch, Offset, Partition
from ingest.ports import Extent, LogState
from projector import keys
from projector.projection import RedisProjection
from projector.redis.auto_pipelining import AutoPipeliningRedis
from projector.views.daily import CatchingUpError, DailyCounts, RedisView, ViewUnavailableError
from tests.suites.projections import an_event, redis_projection
from tests.support.fakes_log import NOW
from tests.support.servers import Servers

PARTITIONS = [Partition("user-activity", number) for number in range(2)]
WINDOW = [NOW.date() - timedelta(days=age) for age in range(8)]


@pytest.fixture
async def projection(redis_client: Redis) -> RedisProjection:
    """Count two users today, one of them also yesterday, and none before."""
    return await projection_of_two(redis_client)


@pytest.fixture
async def view(redis_as: Callable[[str], Redis]) -> AsyncIterator[RedisView]:
    """A view on a client like the API's."""
    async with AutoPipeliningRedis(redis_as("api").connection_pool, connections=1, seconds=5) as redis:
        yield RedisView(redis)


async def projection_of_two(redis: Redis) -> RedisProjection:
    projection = redis_projection(redis)
    extent = Extent(Offset(0), Offset(3))
    await projection.begin(LogState("one", dict.fromkeys(PARTITIONS, extent)))
    events = [an_event("alice"), an_event("bob"), an_event("alice", NOW - timedelta(days=1))]
    await projection.apply(Batch(partition=PARTITIONS[0], start=Offset(0), end=Offset(3), events=events))
    return projection


async def catch_up(projection: RedisProjection, partition: Partition, as_of: datetime) -> None:
    checkpoint = (await projection.checkpoints()).offsets[partition]
    await projection.apply(Batch(partition=partition, start=checkpoint, end=checkpoint, as_of=as_of))


async def catch_up_with_all(projection: RedisProjection) -> None:
    for partition in PARTITIONS:
        await catch_up(projection, partition, NOW)


async def test_a_window_has_a_count_for_each_day_and_0_for_a_day_without_users(
    projection: RedisProjection, view: RedisView
) -> None:
    await catch_up_with_all(projection)
    assert await view.daily_counts("acme", WINDOW) == DailyCounts([2, 1, 0, 0, 0, 0, 0, 0], NOW, 0.0)
    assert (await view.daily_counts("acme", WINDOW[::-1])).users == [0, 0, 0, 0, 0, 0, 1, 2]


async def test_as_of_never_decreases(
    projection: RedisProjection, view: RedisView, redis_client: Redis
) -> None:
    """A Redis restored from an older copy may contain users who were forgotten since."""
    await catch_up_with_all(projection)
    older = await redis_client.dump(keys.FIRST.as_of)
    assert older is not None
    for partition in PARTITIONS:
        await catch_up(projection, partition, NOW + timedelta(seconds=1))
    assert await view.as_of() == NOW + timedelta(seconds=1)
    await redis_client.restore(keys.FIRST.as_of, 0, older, replace=True)
    for _ in range(2):
        with pytest.raises(CatchingUpError, match="older copy"):
            await view.daily_counts("acme", WINDOW)
    for partition in PARTITIONS:
        await catch_up(projection, partition, NOW + timedelta(seconds=1))
    assert (await view.daily_counts("acme", WINDOW)).users[0] == 2


async def test_an_as_of_ahead_of_the_clock_is_ignored_for_that(
    projection: RedisProjection, view: RedisView, redis_client: Redis
) -> None:
    for partition in PARTITIONS:
        await catch_up(projection, partition, datetime.now(UTC) + timedelta(hours=1))
    await view.as_of()
    await redis_client.delete(keys.FIRST.as_of)
    await catch_up_with_all(projection)
    assert await view.as_of() == NOW


async def test_a_workspace_sees_only_its_own_users(projection: RedisProjection, view: RedisView) -> None:
    await catch_up_with_all(projection)
    assert set((await view.daily_counts("other", WINDOW)).users) == {0}


async def test_as_of_is_that_of_the_partition_furthest_behind(
    projection: RedisProjection, view: RedisView
) -> None:
    behind = NOW - timedelta(minutes=3, milliseconds=7)
    await catch_up(projection, PARTITIONS[0], NOW)
    await catch_up(projection, PARTITIONS[1], behind)
    assert (await view.daily_counts("acme", WINDOW)).as_of == behind
    assert await view.as_of() == behind


async def test_an_empty_redis_is_catching_up(view: RedisView, redis_client: Redis) -> None:
    assert await redis_client.dbsize() == 0
    await assert_catching_up(view)


async def test_the_view_is_catching_up_until_every_partition_has_caught_up(
    projection: RedisProjection, view: RedisView
) -> None:
    await assert_catching_up(view)
    await catch_up(projection, PARTITIONS[0], NOW)
    await assert_catching_up(view)
    await catch_up(projection, PARTITIONS[1], NOW)
    await view.daily_counts("acme", WINDOW)


async def test_the_view_is_catching_up_after_a_rewind(projection: RedisProjection, view: RedisView) -> None:
    await catch_up_with_all(projection)
    await projection.rewind(PARTITIONS[0], expected=Offset(3), to=Offset(3), gap=None)
    await assert_catching_up(view)


async def test_the_view_is_catching_up_after_a_partition_was_added(
    projection: RedisProjection, view: RedisView
) -> None:
    await catch_up_with_all(projection)
    added = {Partition("user-activity", 2): Extent(Offset(0), Offset(0))}
    await projection.begin(LogState("one", added))
    await assert_catching_up(view)


async def test_a_cached_count_is_never_stale(projection: RedisProjection, view: RedisView) -> None:
    await catch_up_with_all(projection)
    for number in range(5):
        start = Offset(3 + number)
        batch = Batch(
            partition=PARTITIONS[0], start=start, end=Offset(start + 1), events=[an_event(f"new-{number}")]
        )
        await projection.apply(batch)
        assert (await view.daily_counts("acme", WINDOW[:1])).users == [3 + number]


async def test_a_read_is_one_round_trip_for_any_window(
    projection: RedisProjection, view: RedisView, redis_client: Redis, redis_url: str
) -> None:
    await catch_up_with_all(projection)
    await view.daily_counts("acme", WINDOW)  # Redis has the script from here on
    async with Redis.from_url(redis_url) as observer, observer.monitor() as monitor:
        await view.daily_counts("acme", WINDOW)
        await redis_client.echo("that is all")
        sent = [command async for command in until_echo(monitor.listen())]
    assert [words.split()[0] for words in sent] == ["EVALSHA"]


async def test_concurrent_reads_are_one_round_trip(
    projection: RedisProjection, view: RedisView, redis_client: Redis
) -> None:
    await catch_up_with_all(projection)
    await view.as_of()
    await redis_client.config_resetstat()
    workspaces = ["acme", "other", "acme", "third"]
    told = await asyncio.gather(*(view.daily_counts(name, WINDOW[:2]) for name in workspaces), view.as_of())
    assert [answer.users for answer in told[:4] if isinstance(answer, DailyCounts)] == [
        [2, 1],
        [0, 0],
        [2, 1],
        [0, 0],
    ]
    assert told[4] == NOW
    stats = await redis_client.info("stats")
    assert stats["total_reads_processed"] <= 3  # that of the reads, and two of the test


async def test_an_error_of_one_read_does_not_affect_others(
    projection: RedisProjection, view: RedisView, redis_client: Redis
) -> None:
    await catch_up_with_all(projection)
    await redis_client.set(keys.FIRST.day("broken", WINDOW[0]), "x")
    broken, whole = await asyncio.gather(
        view.daily_counts("broken", WINDOW), view.daily_counts("acme", WINDOW), return_exceptions=True
    )
    assert isinstance(broken, ViewUnavailableError)
    assert isinstance(whole, DailyCounts)
    assert whole.users[0] == 2


async def test_a_cancelled_read_does_not_affect_others(projection: RedisProjection, view: RedisView) -> None:
    await catch_up_with_all(projection)
    first, second = (asyncio.create_task(view.daily_counts("acme", WINDOW[:1])) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).users == [2]


async def until_echo(commands: AsyncIterator[dict[str, Any]]) -> AsyncIterator[str]:
    """Yield the commands of clients; MONITOR also reports those of scripts, which are no round trips."""
    async for command in commands:
        if command["command"].startswith("ECHO"):
            return
        if command["client_type"] != "lua":
            yield command["command"]


async def test_redis_may_lose_its_script_cache(
    projection: RedisProjection, view: RedisView, redis_client: Redis
) -> None:
    await catch_up_with_all(projection)
    await view.as_of()
    await redis_client.script_flush()
    assert await view.as_of() == NOW


async def test_a_full_redis_still_answers(embedded_valkey: Servers[EmbeddedValkey]) -> None:
    valkey = await embedded_valkey.start()
    async with Redis.from_url(valkey.url) as redis:
        await catch_up_with_all(await projection_of_two(redis))
        await redis.config_set("maxmemory", "1")
        assert (await RedisView(redis).daily_counts("acme", WINDOW[:2])).users == [2, 1]


async def test_a_key_that_is_no_counter_gives_no_count(
    projection: RedisProjection, view: RedisView, redis_client: Redis
) -> None:
    await catch_up_with_all(projection)
    await redis_client.set(keys.FIRST.day("acme", WINDOW[3]), "x")
    with pytest.raises(ViewUnavailableError):
        await view.daily_counts("acme", WINDOW)


@pytest.fixture
async def away(unused_tcp_port: int) -> AsyncIterator[RedisView]:
    """A view on an unreachable Redis."""
    async with Redis(port=unused_tcp_port, retry=Retry(NoBackoff(), 0)) as redis:
        yield RedisView(redis)


async def test_an_unreachable_redis_is_reported(away: RedisView) -> None:
    with pytest.raises(ViewUnavailableError):
        await away.daily_counts("acme", [date(2024, 5, 17)])
    with pytest.raises(ViewUnavailableError):
        await away.as_of()


async def assert_catching_up(view: RedisView) -> None:
    with pytest.raises(CatchingUpError):
        await view.daily_counts("acme", WINDOW)
    with pytest.raises(CatchingUpError):
        await view.as_of()
