"""The copy of the token list: read seldom, and never an excuse to call a token wrong."""

import asyncio
from datetime import timedelta

import pytest

from api.auth.login_throttle import STALE_AFTER, TokenSnapshot
from api.errors import NoTokensError, TokensUnavailableError
from tests.support.fakes_api import NOW, FakeClock, FakeTokens, make_token
from tests.support.waiting import wait_until

UNKNOWN = "0" * 64


@pytest.fixture
def tokens() -> FakeTokens:
    token, _ = make_token()
    return FakeTokens({token.digest: token})


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def known(tokens: FakeTokens, clock: FakeClock) -> TokenSnapshot:
    return TokenSnapshot(tokens, clock)


async def test_all_who_ask_at_once_share_one_reading(known: TokenSnapshot, tokens: FakeTokens) -> None:
    digests = [UNKNOWN, *tokens.kept] * 50
    found = await asyncio.gather(*map(known.find, digests))
    assert [*map(bool, found)] == [False, True] * 50
    assert (tokens.lists, tokens.asked) == (1, [])


@pytest.mark.parametrize("moved", [STALE_AFTER, -STALE_AFTER, timedelta(days=-1)])
async def test_a_token_that_is_missing_is_looked_for_again_once_the_copy_is_old(
    known: TokenSnapshot, tokens: FakeTokens, clock: FakeClock, moved: timedelta
) -> None:
    """Also by a clock that was put back."""
    await known.find(UNKNOWN)
    new, _ = make_token()
    await tokens.add(new)
    assert await known.find(new.digest) is None
    clock.now = NOW + moved
    assert await known.find(new.digest) == new
    assert tokens.lists == 2


async def test_a_token_that_is_there_needs_no_second_reading(
    known: TokenSnapshot, tokens: FakeTokens, clock: FakeClock
) -> None:
    [token] = tokens.kept.values()
    for _ in range(3):
        assert await known.find(token.digest) == token
        clock.now += STALE_AFTER
    assert tokens.lists == 1


async def test_a_reading_that_failed_is_tried_again(known: TokenSnapshot, tokens: FakeTokens) -> None:
    tokens.error = TokensUnavailableError()
    with pytest.raises(TokensUnavailableError):
        await known.find(UNKNOWN)
    tokens.error = None
    assert await known.find(UNKNOWN) is None


async def test_a_reading_that_was_given_up_holds_nobody_up(known: TokenSnapshot, tokens: FakeTokens) -> None:
    tokens.hangs = True
    given_up = asyncio.create_task(known.find(UNKNOWN))
    await wait_until(lambda: tokens.lists, message="the tokens were asked for")
    given_up.cancel()
    tokens.hangs = False
    assert await known.find(UNKNOWN) is None


async def test_a_store_without_tokens_calls_none_unknown(known: TokenSnapshot, tokens: FakeTokens) -> None:
    tokens.kept.clear()
    with pytest.raises(NoTokensError):
        await known.find(UNKNOWN)
