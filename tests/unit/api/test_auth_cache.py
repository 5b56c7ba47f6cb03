"""Logins of a moment ago: what is taken on memory, how long, and what never is."""

from datetime import timedelta

import pytest
from multidict import CIMultiDict

from api.auth.auth_cache import FRESH_SECONDS, AuthCache
from api.auth.tokens import Token
from api.errors import NotLoggedInError, TokensUnavailableError
from tests.support.fakes_api import NOW, FakeTimer, login, make_token


@pytest.fixture
def timer() -> FakeTimer:
    return FakeTimer()


@pytest.fixture
def logins(timer: FakeTimer) -> AuthCache:
    return AuthCache(timer)


async def give(token: Token) -> Token:
    return token


async def remember(logins: AuthCache, token: Token, secret: str, user_id: str = "alice") -> None:
    await logins.remember(CIMultiDict(login(user_id, secret)), give(token))


def recall(logins: AuthCache, user_id: str, secret: str) -> Token | None:
    return logins.recall(CIMultiDict(login(user_id, secret)), NOW)


async def test_the_same_credentials_open_the_same_token(logins: AuthCache) -> None:
    token, secret = make_token()
    await remember(logins, token, secret)
    assert recall(logins, "alice", secret) == token


def test_a_revoked_token_is_forgotten_in_time() -> None:
    """In 5 s from its revocation no request may be let in; what was asked before that is as old at most."""
    assert FRESH_SECONDS < 5


async def test_a_login_is_forgotten(logins: AuthCache, timer: FakeTimer) -> None:
    token, secret = make_token()
    await remember(logins, token, secret)
    timer.seconds += FRESH_SECONDS
    assert recall(logins, "alice", secret) is None


async def test_a_login_ages_from_before_the_store_was_asked(logins: AuthCache, timer: FakeTimer) -> None:
    token, secret = make_token()

    async def look_up() -> Token:
        timer.seconds += 3
        return token

    await logins.remember(CIMultiDict(login("alice", secret)), look_up())
    timer.seconds += FRESH_SECONDS - 3
    assert recall(logins, "alice", secret) is None


async def test_a_token_expires_at_its_instant_however_fresh_the_login(logins: AuthCache) -> None:
    token, secret = make_token(expires_at=NOW + timedelta(seconds=1))
    await remember(logins, token, secret)
    headers = CIMultiDict(login("alice", secret))
    assert logins.recall(headers, NOW + timedelta(seconds=0.9)) == token
    assert logins.recall(headers, NOW + timedelta(seconds=1)) is None


async def test_other_credentials_open_nothing(logins: AuthCache) -> None:
    token, secret = make_token()
    await remember(logins, token, secret)
    assert recall(logins, "bob", secret) is None
    assert recall(logins, "alice", make_token()[1]) is None
    assert recall(logins, "alic", f"e{secret}") is None
    assert recall(logins, "", secret) is None


async def test_a_header_sent_twice_opens_nothing(logins: AuthCache) -> None:
    token, secret = make_token()
    await remember(logins, token, secret)
    for name, value in login("alice", secret).items():
        twice = CIMultiDict(login("alice", secret))
        twice.add(name, value)
        assert logins.recall(twice, NOW) is None


@pytest.mark.parametrize("error", [NotLoggedInError("unknown"), TokensUnavailableError()])
async def test_a_login_that_failed_is_not_remembered(logins: AuthCache, error: Exception) -> None:
    async def fail() -> Token:
        raise error

    headers = CIMultiDict(login("alice", "guess"))
    with pytest.raises(type(error)):
        await logins.remember(headers, fail())
    assert logins.recall(headers, NOW) is None


async def test_no_secret_is_kept(logins: AuthCache) -> None:
    token, secret = make_token()
    await remember(logins, token, secret)
    assert secret not in repr(vars(logins._cache))
