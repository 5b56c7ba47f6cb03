"""The cache of logins: what is cached, for how long, and what never is."""

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


async def load(logins: AuthCache, token: Token, secret: str, user_id: str = "alice") -> None:
    await logins.load(CIMultiDict(login(user_id, secret)), give(token))


def get(logins: AuthCache, user_id: str, secret: str) -> Token | None:
    return logins.get(CIMultiDict(login(user_id, secret)), NOW)


async def test_the_same_credentials_return_the_cached_token(logins: AuthCache) -> None:
    token, secret = make_token()
    await load(logins, token, secret)
    assert get(logins, "alice", secret) == token


def test_a_revoked_token_expires_from_the_cache_within_five_seconds() -> None:
    """No request may be accepted 5 s after a revocation; a cached login is younger than that."""
    assert FRESH_SECONDS < 5


async def test_a_cached_login_expires(logins: AuthCache, timer: FakeTimer) -> None:
    token, secret = make_token()
    await load(logins, token, secret)
    timer.seconds += FRESH_SECONDS
    assert get(logins, "alice", secret) is None


async def test_the_age_of_a_login_counts_from_before_the_read(logins: AuthCache, timer: FakeTimer) -> None:
    token, secret = make_token()

    async def look_up() -> Token:
        timer.seconds += 3
        return token

    await logins.load(CIMultiDict(login("alice", secret)), look_up())
    timer.seconds += FRESH_SECONDS - 3
    assert get(logins, "alice", secret) is None


async def test_a_cached_token_expires_at_its_own_instant(logins: AuthCache) -> None:
    token, secret = make_token(expires_at=NOW + timedelta(seconds=1))
    await load(logins, token, secret)
    headers = CIMultiDict(login("alice", secret))
    assert logins.get(headers, NOW + timedelta(seconds=0.9)) == token
    assert logins.get(headers, NOW + timedelta(seconds=1)) is None


async def test_other_credentials_are_not_cached(logins: AuthCache) -> None:
    token, secret = make_token()
    await load(logins, token, secret)
    assert get(logins, "bob", secret) is None
    assert get(logins, "alice", make_token()[1]) is None
    assert get(logins, "alic", f"e{secret}") is None
    assert get(logins, "", secret) is None


async def test_a_repeated_header_is_not_cached(logins: AuthCache) -> None:
    token, secret = make_token()
    await load(logins, token, secret)
    for name, value in login("alice", secret).items():
        twice = CIMultiDict(login("alice", secret))
        twice.add(name, value)
        assert logins.get(twice, NOW) is None


@pytest.mark.parametrize("error", [NotLoggedInError("unknown"), TokensUnavailableError()])
async def test_a_failed_login_is_not_cached(logins: AuthCache, error: Exception) -> None:
    async def fail() -> Token:
        raise error

    headers = CIMultiDict(login("alice", "guess"))
    with pytest.raises(type(error)):
        await logins.load(headers, fail())
    assert logins.get(headers, NOW) is None


async def test_no_secret_is_cached(logins: AuthCache) -> None:
    token, secret = make_token()
    await load(logins, token, secret)
    assert secret not in repr(vars(logins._cache))
