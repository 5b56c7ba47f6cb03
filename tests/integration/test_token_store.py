"""The token store on a real Redis, compared with its fake wherever both can be tested."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest
from multidict import CIMultiDict
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from api.auth.authentication import authenticate
from api.errors import NotLoggedInError, NoTokensError, TokensUnavailableError
from api.store.tokens import RedisTokenStore
from projector import keys
from tests.support.fakes_api import NOW, FakeTokens, login, make_token
from tests.support.waiting import within

UNKNOWN = "0" * 64

TokenStore = FakeTokens | RedisTokenStore


@pytest.fixture
def store(redis_as: Callable[[str], Redis]) -> RedisTokenStore:
    return RedisTokenStore(redis_as("operator"))


@pytest.fixture(params=["fake", "redis"])
def any_store(request: pytest.FixtureRequest, store: RedisTokenStore) -> TokenStore:
    return FakeTokens() if request.param == "fake" else store


async def test_a_token_is_found_as_it_was_added(any_store: TokenStore) -> None:
    token, _ = make_token(user_id="älice", permissions=("b", "a"), expires_at=NOW + timedelta(microseconds=1))
    other, _ = make_token()
    await any_store.add(token)
    await any_store.add(other)
    assert await any_store.find(token.digest) == token
    assert await any_store.find(other.digest) == other


async def test_an_unknown_token_is_none(any_store: TokenStore) -> None:
    await any_store.add(make_token()[0])
    assert await any_store.find(UNKNOWN) is None
    assert await any_store.find("") is None


async def test_an_empty_store_reports_no_token_as_unknown(any_store: TokenStore) -> None:
    with pytest.raises(NoTokensError):
        await any_store.find(UNKNOWN)
    with pytest.raises(NoTokensError):
        await any_store.ping()


async def test_a_store_with_tokens_is_ready(any_store: TokenStore) -> None:
    await any_store.add(make_token()[0])
    await any_store.ping()


async def test_lost_tokens_are_not_reported_as_unknown(store: RedisTokenStore, redis_client: Redis) -> None:
    token, _ = make_token()
    await store.add(token)
    await redis_client.flushall()
    with pytest.raises(NoTokensError):
        await store.find(token.digest)


async def test_redis_never_sees_the_secret(store: RedisTokenStore, redis_client: Redis) -> None:
    token, secret = make_token()
    await store.add(token)
    kept = await cast("Awaitable[dict[bytes, bytes]]", redis_client.hgetall(keys.ONLY.tokens))
    assert set(kept) == {hashlib.sha256(secret.encode()).hexdigest().encode()}
    assert secret.encode() not in b"".join(kept.values())
    assert await redis_client.keys("*") == [keys.ONLY.tokens.encode()]


async def test_tokens_do_not_expire_in_redis(store: RedisTokenStore, redis_client: Redis) -> None:
    """An expired token stays in the list; the hash never expires, which would lose every token."""
    await store.add(make_token(expires_at=NOW)[0])
    assert await redis_client.ttl(keys.ONLY.tokens) == -1


async def test_the_list_is_oldest_first(store: RedisTokenStore) -> None:
    tokens = [replace(make_token()[0], created_at=datetime(2023, 1, day, tzinfo=UTC)) for day in (3, 1, 2)]
    for token in tokens:
        await store.add(token)
    assert await store.list() == [tokens[1], tokens[2], tokens[0]]


async def test_the_list_of_an_empty_store_is_empty(store: RedisTokenStore) -> None:
    assert await store.list() == []


async def test_a_revoked_token_is_rejected_and_still_listed(store: RedisTokenStore) -> None:
    token, secret = make_token()
    other, other_secret = make_token()
    await store.add(token)
    await store.add(other)
    revoked = await store.revoke(token.id, NOW)
    assert revoked == replace(token, revoked_at=NOW)
    with pytest.raises(NotLoggedInError):
        await authenticate(CIMultiDict(login("alice", secret)), store, NOW)
    assert await authenticate(CIMultiDict(login("alice", other_secret)), store, NOW) == other
    assert {token.revoked_at for token in await store.list()} == {None, NOW}


async def test_a_token_is_revoked_once(store: RedisTokenStore) -> None:
    token, _ = make_token()
    await store.add(token)
    await store.revoke(token.id, NOW)
    again = await store.revoke(token.id, NOW + timedelta(days=1))
    assert again == replace(token, revoked_at=NOW)


@pytest.mark.parametrize("token_id", ["", "0", "0" * 12, "*"])
async def test_revoking_an_unknown_token(store: RedisTokenStore, token_id: str) -> None:
    token = replace(make_token()[0], digest="1" * 64)
    await store.add(token)
    assert await store.revoke(token_id, NOW) is None
    assert await store.list() == [token]


@pytest.mark.parametrize("workspace_id", ["", "a:b", "a b", "a\n", "x" * 65, "{0}", "ä"])
async def test_a_token_with_an_invalid_workspace_id_is_refused(
    store: RedisTokenStore, redis_client: Redis, workspace_id: str
) -> None:
    with pytest.raises(ValueError, match="1 to 64"):
        await store.add(make_token(workspace_id=workspace_id)[0])
    assert await redis_client.dbsize() == 0


@pytest.mark.parametrize("record", [b"", b"{}", b"[]", b"\xff", b'{"digest": 1}'])
async def test_a_malformed_record_authenticates_nothing(
    store: RedisTokenStore, redis_client: Redis, record: bytes
) -> None:
    await redis_client.hset(keys.ONLY.tokens, UNKNOWN, record)
    with pytest.raises(TokensUnavailableError):
        await store.find(UNKNOWN)


async def test_fields_of_a_later_version_are_ignored(store: RedisTokenStore, redis_client: Redis) -> None:
    token, _ = make_token()
    await store.add(token)
    record = await cast("Awaitable[bytes]", redis_client.hget(keys.ONLY.tokens, token.digest))
    newer = record[:-1] + b',"note":"from the future"}'
    await redis_client.hset(keys.ONLY.tokens, token.digest, newer)
    assert await store.find(token.digest) == token


async def test_a_key_of_the_wrong_type_is_unavailable(store: RedisTokenStore, redis_client: Redis) -> None:
    await redis_client.set(keys.ONLY.tokens, "x")
    for call in (store.find(UNKNOWN), store.list(), store.add(make_token()[0]), store.revoke("x", NOW)):
        with pytest.raises(TokensUnavailableError):
            await call


async def test_a_stopped_redis_is_unavailable(unused_tcp_port: int) -> None:
    async with Redis(port=unused_tcp_port, retry=Retry(NoBackoff(), 0)) as client:
        store = RedisTokenStore(client)
        for call in (store.find(UNKNOWN), store.ping(), store.list(), store.add(make_token()[0])):
            with pytest.raises(TokensUnavailableError):
                await call


@pytest.fixture
async def silent_port() -> AsyncIterator[int]:
    """Run a server that accepts connections and never answers; return its port."""
    left = asyncio.Event()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        await writer.wait_closed()
        left.set()

    async with await asyncio.start_server(listen, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]
        async with within(5):
            await left.wait()


async def test_a_silent_redis_is_unavailable(silent_port: int) -> None:
    async with Redis(port=silent_port, socket_timeout=0.1, retry=Retry(NoBackoff(), 0)) as client:
        with pytest.raises(TokensUnavailableError):
            await RedisTokenStore(client).find(UNKNOWN)


async def test_the_reply_to_a_cancelled_call_is_not_read_by_the_next(
    store: RedisTokenStore, redis_client: Redis
) -> None:
    """A deadline may cancel a call at any point: the next call must not read its reply."""
    tokens = [make_token()[0] for _ in range(2)]
    for token in tokens:
        await store.add(token)
    for steps in range(12):
        given_up = asyncio.ensure_future(store.find(tokens[0].digest))
        for _ in range(steps):
            await asyncio.sleep(0)
        given_up.cancel()
        with suppress(asyncio.CancelledError):
            await given_up
        assert await store.find(tokens[1].digest) == tokens[1]
