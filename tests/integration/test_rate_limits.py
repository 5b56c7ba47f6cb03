"""The rate limit on a real Redis with the rights of the API's user: shared by processes, always enforced."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from structlog.testing import capture_logs

from api.app import create_app
from api.endpoints.weekly_data.contract import WEEKLY_DATA_PATH
from api.errors import RateLimitUnavailableError
from api.limits.rate_limit_status import minute_of
from api.limits.redis_rate_limiter import RedisRateLimiter
from api.store.tokens import RedisTokenStore
from embedded import EmbeddedValkey
from headcount.api import client_limits
from headcount.wiring import load_config
from projector import keys
from tests.support.fakes_api import NOW, FakeTimer, FakeView, login, make_token
from tests.support.servers import Servers
from tests.support.waiting import scaled

CONFIG_ = load_config({"HTTP_REQUESTS_PER_MINUTE": "5", "HTTP_FAILED_LOGINS_PER_MINUTE": "3"})

Client = TestClient[web.Request, web.Application]
RedisAs = Callable[[str], Redis]


@dataclass(frozen=True)
class Answer:
    status: int
    remaining: str | None


@pytest.fixture
def timer() -> FakeTimer:
    return FakeTimer()


@pytest.fixture
async def start_api(redis_as: RedisAs, timer: FakeTimer) -> AsyncIterator[Callable[[], Awaitable[Client]]]:
    """Start APIs that share only their Redis and a stopped clock."""
    async with AsyncExitStack() as clients:

        async def start() -> Client:
            redis = redis_as("api")
            app = create_app(
                view=FakeView(),
                tokens=RedisTokenStore(redis),
                time_zone=CONFIG_.counting.time_zone,
                clock=lambda: NOW,
                timer=timer,
                limits=client_limits(CONFIG_, redis),
            )
            return await clients.enter_async_context(TestClient(TestServer(app)))

        yield start


@pytest.fixture
async def headers(redis_client: Redis) -> dict[str, str]:
    token, secret = make_token()
    await RedisTokenStore(redis_client).add(token)
    return login(token.user_id, secret)


async def ask(client: Client, headers: dict[str, str]) -> Answer:
    query = {"start": "2023-05-19T00:00:00.000Z"}
    async with client.get(WEEKLY_DATA_PATH, params=query, headers=headers) as response:
        return Answer(response.status, response.headers.get("X-RateLimit-Remaining"))


async def guess(client: Client, times: int) -> list[int]:
    return [(await ask(client, login("alice", f"guess-{number}"))).status for number in range(times)]


async def test_two_apis_share_the_limit_of_a_token(
    start_api: Callable[[], Awaitable[Client]], headers: dict[str, str]
) -> None:
    one, other = await start_api(), await start_api()
    answers = [await ask(api, headers) for api in (one, other, other, one, other, one, other)]
    assert answers == [Answer(200, str(left)) for left in (4, 3, 2, 1, 0)] + [Answer(429, "0")] * 2


async def test_concurrent_requests_are_each_counted(
    start_api: Callable[[], Awaitable[Client]], headers: dict[str, str]
) -> None:
    apis = [await start_api(), await start_api()]
    answers = await asyncio.gather(*(ask(apis[number % 2], headers) for number in range(20)))
    assert sorted(answer.status for answer in answers) == [200] * 5 + [429] * 15


async def test_a_flood_of_guesses_sends_nothing_to_redis(
    start_api: Callable[[], Awaitable[Client]], redis_client: Redis, headers: dict[str, str]
) -> None:
    api = await start_api()
    assert await guess(api, 4) == [401, 401, 401, 429]
    await redis_client.config_resetstat()
    assert await guess(api, 30) == [429] * 30
    stats = await redis_client.info("commandstats")
    assert not stats.keys() & {"cmdstat_hget", "cmdstat_hvals", "cmdstat_exists", "cmdstat_evalsha"}


async def test_a_valid_token_is_accepted_during_a_flood_until_it_is_revoked(
    start_api: Callable[[], Awaitable[Client]],
    redis_client: Redis,
    timer: FakeTimer,
    headers: dict[str, str],
) -> None:
    api = await start_api()
    await guess(api, 9)
    assert (await ask(api, headers)).status == 200
    store = RedisTokenStore(redis_client)
    [token] = await store.list()
    await store.revoke(token.id, NOW)
    timer.seconds += 5
    assert (await ask(api, headers)).status == 429


async def test_a_limit_of_0_is_no_limit_and_sends_nothing_to_redis(redis_client: Redis) -> None:
    assert client_limits(load_config({"HTTP_REQUESTS_PER_MINUTE": "0"}), redis_client).requests is None


async def test_a_count_has_the_tokens_public_id_and_expires(redis_as: RedisAs, redis_client: Redis) -> None:
    token, _ = make_token()
    await RedisRateLimiter(redis_as("api"), per_minute=5).count(token.id, NOW)
    [key] = await redis_client.keys("*")
    assert key == f"headcount:limits:{token.id}:{minute_of(NOW)}".encode()
    assert 60 < await redis_client.ttl(key) <= 120


async def test_a_count_is_one_command(redis_as: RedisAs, redis_client: Redis) -> None:
    limiter = RedisRateLimiter(redis_as("api"), per_minute=5)
    await limiter.count("0123456789ab", NOW)  # Redis has the script from now on
    await redis_client.config_resetstat()
    await limiter.count("0123456789ab", NOW)
    stats = await redis_client.info("commandstats")
    sent = {name: each["calls"] for name, each in stats.items() if name != "cmdstat_config|resetstat"}
    assert sent == {"cmdstat_evalsha": 1, "cmdstat_incrby": 1}


async def test_processes_together_never_exceed_the_limit(redis_as: RedisAs) -> None:
    one, other = (RedisRateLimiter(redis_as("api"), per_minute=200) for _ in range(2))
    answers = await asyncio.gather(*((one, other)[number % 3 == 0].count("a", NOW) for number in range(400)))
    granted = [rate_limit_status.used for rate_limit_status in answers if not rate_limit_status.is_exceeded]
    assert sorted(granted) == [*range(1, 201)]


async def test_a_busy_token_needs_few_commands(redis_as: RedisAs, redis_client: Redis) -> None:
    limiter = RedisRateLimiter(redis_as("api"), per_minute=100_000)
    await limiter.count("a", NOW)
    await redis_client.config_resetstat()
    answers = [(limiter.spend("a", NOW) or await limiter.count("a", NOW)).used for _ in range(10_000)]
    assert answers == [*range(2, 10_002)]
    stats = await redis_client.info("commandstats")
    assert stats["cmdstat_evalsha"]["calls"] < 30


async def test_a_new_minute_is_a_new_lease(redis_as: RedisAs) -> None:
    limiter = RedisRateLimiter(redis_as("api"), per_minute=100)
    assert [(await limiter.count("a", NOW)).used for _ in range(20)] == [*range(1, 21)]
    assert limiter.spend("a", NOW + timedelta(minutes=1)) is None
    assert (await limiter.count("a", NOW + timedelta(minutes=1))).used == 1


async def test_a_request_cancelled_while_waiting_does_not_affect_the_others(redis_as: RedisAs) -> None:
    limiter = RedisRateLimiter(redis_as("api"), per_minute=100)
    first, second = (asyncio.create_task(limiter.count("a", NOW)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert not (await second).is_exceeded


async def test_the_rest_of_a_lease_is_used_while_redis_is_unavailable(
    embedded_valkey: Servers[EmbeddedValkey],
) -> None:
    """Those requests were counted; others are refused."""
    valkey = await embedded_valkey.start()
    async with Redis.from_url(valkey.url, retry=Retry(NoBackoff(), 0)) as redis:
        limiter = RedisRateLimiter(redis, per_minute=1_000)
        for _ in range(5):
            await limiter.count("a", NOW)
        await valkey.stop()
        assert [(await limiter.count("a", NOW)).used for _ in range(2)] == [6, 7]
        with pytest.raises(RateLimitUnavailableError):
            await limiter.count("a", NOW)


async def test_a_script_missing_in_redis_is_loaded_again(redis_as: RedisAs, redis_client: Redis) -> None:
    limiter = RedisRateLimiter(redis_as("api"), per_minute=5)
    await limiter.count("0123456789ab", NOW)
    await redis_client.script_flush()
    assert (await limiter.count("0123456789ab", NOW)).used == 2


@pytest.mark.parametrize("refusing", ["full", "read-only"])
async def test_while_redis_refuses_writes_each_process_limits_alone(
    embedded_valkey: Servers[EmbeddedValkey], refusing: str
) -> None:
    """Clients are still answered and still limited, and earlier counts are not lost."""
    valkey = await embedded_valkey.start()
    async with Redis.from_url(valkey.url) as redis:
        one, other = (RedisRateLimiter(redis, per_minute=2) for _ in range(2))
        assert (await one.count("a", NOW)).used == 1
        await refuse(redis, refusing)
        with capture_logs() as logs:
            assert [(await one.count("a", NOW)).is_exceeded for _ in range(3)] == [False, False, True]
            assert (await other.count("a", NOW)).used == 1
        assert [line["event"] for line in logs] == [
            "Redis refuses writes: each API process limits requests alone"
        ] * 2
        await accept(redis)
        assert (await one.count("a", NOW)).used == 2


async def refuse(redis: Redis, how: str) -> None:
    if how == "full":
        await redis.config_set("maxmemory", "1")
    else:
        await redis.replicaof("127.0.0.1", "1")


async def accept(redis: Redis) -> None:
    await redis.config_set("maxmemory", "0")
    await redis.replicaof("NO", "ONE")


async def test_other_errors_of_redis_are_not_counted_locally(redis_as: RedisAs, redis_client: Redis) -> None:
    await redis_client.hset(keys.requests("a", minute_of(NOW)), "not", "a count")
    limiter = RedisRateLimiter(redis_as("api"), per_minute=2)
    with pytest.raises(RateLimitUnavailableError):
        await limiter.count("a", NOW)


async def test_an_unavailable_redis_counts_nothing(unused_tcp_port: int) -> None:
    async with Redis(port=unused_tcp_port, retry=Retry(NoBackoff(), 0)) as redis:
        with pytest.raises(RateLimitUnavailableError):
            await RedisRateLimiter(redis, per_minute=2).count("a", NOW)


async def test_a_redis_that_does_not_answer_counts_nothing(
    embedded_valkey: Servers[EmbeddedValkey],
) -> None:
    valkey = await embedded_valkey.start()
    async with Redis.from_url(valkey.url, socket_timeout=scaled(0.2), retry=Retry(NoBackoff(), 0)) as redis:
        limiter = RedisRateLimiter(redis, per_minute=2)
        await limiter.count("a", NOW)
        valkey.suspend()
        with pytest.raises(RateLimitUnavailableError):
            await limiter.count("a", NOW)
