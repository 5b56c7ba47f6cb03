"""Concurrent commands reach Redis in one pipeline, and each caller receives the reply to its own command."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import DataError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from embedded import EmbeddedValkey
from projector.redis.auto_pipelining import MAX_PIPELINE, AutoPipeliningRedis
from tests.support.mute import address_of, mute_server
from tests.support.servers import Servers
from tests.support.waiting import scaled, wait_until

MANY: Final = 3 * MAX_PIPELINE + 1
SOON: Final = 0.1


def pipelining(url: str, *, connections: int = 1, seconds: float = 60) -> AutoPipeliningRedis:
    pool = ConnectionPool.from_url(url, retry=Retry(NoBackoff(), 0), driver_info=None)
    return AutoPipeliningRedis(pool, connections=connections, seconds=seconds)


@pytest.fixture
async def redis(redis_url: str, redis_client: Redis) -> AsyncIterator[AutoPipeliningRedis]:
    """A connected client on an empty database."""
    async with pipelining(redis_url) as client:
        await client.exists("a")
        yield client


async def errors_of(*commands: Awaitable[object]) -> list[object]:
    """Return the types of the errors, or the replies."""
    ends = await asyncio.gather(*commands, return_exceptions=True)
    return [type(end) if isinstance(end, Exception) else end for end in ends]


async def test_each_caller_receives_its_own_reply(redis: AutoPipeliningRedis) -> None:
    numbers = range(MANY)
    assert await asyncio.gather(*(redis.echo(str(number)) for number in numbers)) == [
        str(number).encode() for number in numbers
    ]


async def test_commands_of_one_loop_iteration_are_sent_together(
    redis: AutoPipeliningRedis, redis_client: Redis
) -> None:
    await redis_client.config_resetstat()
    await asyncio.gather(*(redis.echo("x") for _ in range(MAX_PIPELINE)))
    stats = await redis_client.info("stats")
    assert stats["total_reads_processed"] <= 3  # that of the pipeline, and two of the other client


async def test_a_pipeline_has_a_maximum_size(redis: AutoPipeliningRedis, redis_client: Redis) -> None:
    await redis_client.config_resetstat()
    await asyncio.gather(*(redis.echo("x") for _ in range(MANY)))
    stats = await redis_client.info("stats")
    assert stats["total_reads_processed"] >= MANY // MAX_PIPELINE + 1


async def test_a_reply_is_parsed_as_by_redis_py(redis: AutoPipeliningRedis, redis_client: Redis) -> None:
    await redis.hset("hash", mapping={"one": "1", "two": "2"})
    assert await redis.hgetall("hash") == await redis_client.hgetall("hash")
    versions = [(await client.info("server"))["redis_version"] for client in (redis, redis_client)]
    assert versions[0] == versions[1]


async def test_an_error_reaches_only_its_caller(redis: AutoPipeliningRedis) -> None:
    await redis.set("a", "text")
    assert await errors_of(redis.get("a"), redis.scard("a"), redis.get("a")) == [
        b"text",
        ResponseError,
        b"text",
    ]


async def test_an_invalid_command_does_not_affect_others(redis: AutoPipeliningRedis) -> None:
    odd: Any = object()
    assert await errors_of(redis.echo("x"), redis.get(odd), redis.echo("y")) == [b"x", DataError, b"y"]


async def test_a_script_that_redis_does_not_have_is_loaded(
    redis: AutoPipeliningRedis, redis_client: Redis
) -> None:
    script = redis.register_script("return ARGV[1]")
    await redis_client.script_flush()
    assert await asyncio.gather(*(script(args=[number]) for number in range(3))) == [b"0", b"1", b"2"]


async def test_a_cancelled_command_does_not_affect_others(redis: AutoPipeliningRedis) -> None:
    first, second, third = (asyncio.create_task(add(redis, number)) for number in (1, 2, 3))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second, await third) == (2, 3)


async def test_a_command_cancelled_in_flight_does_not_affect_others(
    redis: AutoPipeliningRedis, redis_client: Redis
) -> None:
    async with unwritable(redis_client):
        first, second = (asyncio.create_task(add(redis, number)) for number in (1, 2))
        await wait_until(lambda: is_holding(redis_client), message="the questions were sent")
        third = asyncio.create_task(add(redis, 3))
        await asyncio.sleep(0)
        first.cancel()
    assert (await second, await third) == (2, 3)


async def test_no_command_waits_while_a_connection_is_idle(redis_url: str, redis_client: Redis) -> None:
    async with pipelining(redis_url, connections=2) as redis:
        async with unwritable(redis_client):
            written = asyncio.create_task(add(redis, 1))
            await wait_until(lambda: is_holding(redis_client), message="the question was sent")
            assert await redis.echo("read") == b"read"
        assert await written == 1


async def add(redis: Redis, number: int) -> int:
    """Run a write whose reply is the number."""
    return int(await redis.incrby(f"key-{number}", number))


@asynccontextmanager
async def unwritable(redis: Redis) -> AsyncIterator[None]:
    """Pause writes on the server: clients that send one wait."""
    await redis.client_pause(60_000, all=False)
    try:
        yield
    finally:
        await redis.client_unpause()


async def is_holding(observer: Redis) -> bool:
    """Return whether a client of the server is waiting."""
    return bool((await observer.info("clients"))["blocked_clients"])


async def test_a_hanging_redis_is_a_timeout_for_all() -> None:
    with mute_server() as server:
        async with pipelining(f"redis://{address_of(server)}", seconds=scaled(SOON)) as redis:
            first = asyncio.create_task(add(redis, 0))
            await asyncio.sleep(0)
            many = (add(redis, number) for number in range(MANY))
            assert set(await errors_of(first, *many)) == {RedisTimeoutError}


async def test_a_late_reply_is_never_that_of_another_command(redis_url: str, redis_client: Redis) -> None:
    async with pipelining(redis_url, seconds=scaled(SOON)) as redis:
        await redis.exists("connected")
        async with unwritable(redis_client):
            assert await errors_of(add(redis, 1), add(redis, 2)) == [RedisTimeoutError] * 2
        assert await redis.echo("next") == b"next"


async def test_the_client_reconnects_once_redis_is_back(
    embedded_valkey: Servers[EmbeddedValkey],
) -> None:
    valkey = await embedded_valkey.start()
    async with pipelining(valkey.url) as redis:
        assert await redis.echo("x") == b"x"
        await valkey.stop()
        assert await errors_of(redis.echo("a"), redis.echo("b")) == [RedisConnectionError] * 2
        await valkey.start()
        assert await redis.echo("x") == b"x"


async def test_a_killed_redis_fails_all_pending_commands(embedded_valkey: Servers[EmbeddedValkey]) -> None:
    valkey = await embedded_valkey.start()
    async with pipelining(valkey.url) as redis, pipelining(valkey.url) as observer:
        await redis.exists("connected")
        await observer.client_pause(60_000, all=False)
        asked = [asyncio.create_task(add(redis, number)) for number in range(3)]
        await wait_until(lambda: is_holding(observer), message="the questions were sent")
        valkey.kill()
        assert await errors_of(*asked) == [RedisConnectionError] * 3


async def test_closing_the_client_closes_all_its_connections(redis_url: str, redis_client: Redis) -> None:
    async with pipelining(redis_url, connections=2) as redis:
        numbers = {await redis.client_id()}
        async with redis.client() as another:
            numbers.add(await another.client_id())
        async with redis.pipeline(transaction=False) as pipeline:
            pipeline.client_id()
            numbers.update(await pipeline.execute())
    assert len(numbers) == 2

    async def are_gone() -> bool:
        return numbers.isdisjoint(int(each["id"]) for each in await redis_client.client_list())

    await wait_until(are_gone, message="Redis had closed the connections")
