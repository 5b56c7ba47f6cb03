"""The token snapshot: read rarely, and never a reason to reject a token."""

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


async def test_concurrent_lookups_share_one_read(known: TokenSnapshot, tokens: FakeTokens) -> None:
    digests = [UNKNOWN, *tokens.by_digest] * 50
    found = await asyncio.gather(*map(known.find, digests))
    assert [*map(bool, found)] == [False, True] * 50
    assert (tokens.lists, tokens.lookups) == (1, [])


@pytest.mark.parametrize("moved", [STALE_AFTER, -STALE_AFTER, timedelta(days=-1)])
async def test_a_missing_token_is_read_again_once_the_snapshot_is_stale(
    known: TokenSnapshot, tokens: FakeTokens, clock: FakeClock, moved: timedelta
) -> None:
    """Also after the clock was set back."""
    await known.find(UNKNOWN)
    new, _ = make_token()
    await tokens.add(new)
    assert await known.find(new.digest) is None
    clock.now = NOW + moved
    assert await known.find(new.digest) == new
    assert tokens.lists == 2


async def test_a_found_token_needs_no_second_read(
    known: TokenSnapshot, tokens: FakeTokens, clock: FakeClock
) -> None:
    [token] = tokens.by_digest.values()
    for _ in range(3):
        assert await known.find(token.digest) == token
        clock.now += STALE_AFTER
    assert tokens.lists == 1


async def test_a_failed_read_is_retried(known: TokenSnapshot, tokens: FakeTokens) -> None:
    tokens.error = TokensUnavailableError()
    with pytest.raises(TokensUnavailableError):
        await known.find(UNKNOWN)
    tokens.error = None
    assert await known.find(UNKNOWN) is None


async def test_a_cancelled_read_does_not_block_the_others(known: TokenSnapshot, tokens: FakeTokens) -> None:
    tokens.hangs = True
    given_up = asyncio.create_task(known.find(UNKNOWN))
    await wait_until(lambda: tokens.lists, message="the tokens were asked for")
    given_up.cancel()
    tokens.hangs = False
    assert await known.find(UNKNOWN) is None


async def test_an_empty_store_reports_no_token_as_unknown(known: TokenSnapshot, tokens: FakeTokens) -> None:
    tokens.by_digest.clear()
    with pytest.raises(NoTokensError):
        await known.find(UNKNOWN)
