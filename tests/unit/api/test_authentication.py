"""From headers to a token: what opens, what does not, and that refusals take the same way."""

import hmac
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from multidict import CIMultiDict

from api import authentication
from api.authentication import VIEW_ENGAGEMENT_DASHBOARD, Permission, authenticate, authorise
from api.errors import NotLoggedInError, NotPermittedError, TokensUnavailableError
from api.tokens import Token
from tests.fakes_api import NOW, FakeTokens, login, make_token


async def enter(tokens: FakeTokens, headers: dict[str, str], now: datetime = NOW) -> Token:
    return await authenticate(CIMultiDict(headers), tokens, now)


async def test_the_token_of_the_right_user_opens() -> None:
    token, secret = make_token()
    assert await enter(FakeTokens({token.digest: token}), login("alice", secret)) == token


async def test_a_user_id_outside_of_ascii_opens() -> None:
    token, secret = make_token(user_id="älice")
    assert await enter(FakeTokens({token.digest: token}), login("älice", secret)) == token


async def test_only_the_digest_is_looked_up() -> None:
    token, secret = make_token()
    tokens = FakeTokens({token.digest: token})
    await enter(tokens, login("alice", secret))
    assert tokens.asked == [token.digest]


async def test_a_token_of_another_digest_does_not_open() -> None:
    """Whatever the store hands out, it must be what was asked for."""
    token, secret = make_token()
    other, _ = make_token()
    with pytest.raises(NotLoggedInError):
        await enter(FakeTokens({token.digest: other}), login("alice", secret))


async def test_a_revoked_token_does_not_open() -> None:
    token, secret = make_token()
    revoked = replace(token, revoked_at=NOW - timedelta(days=1))
    with pytest.raises(NotLoggedInError):
        await enter(FakeTokens({token.digest: revoked}), login("alice", secret))


@pytest.mark.parametrize("revoked_at", [NOW, NOW + timedelta(days=1)])
async def test_revoked_is_revoked_whatever_the_clock_says(revoked_at: datetime) -> None:
    token, _ = make_token()
    assert not replace(token, revoked_at=revoked_at).is_active(NOW)


async def test_a_store_that_can_not_tell_never_opens() -> None:
    token, secret = make_token()
    tokens = FakeTokens({token.digest: token}, error=TokensUnavailableError())
    with pytest.raises(TokensUnavailableError):
        await enter(tokens, login("alice", secret))


async def test_the_stand_in_for_a_missing_token_opens_for_nobody() -> None:
    with pytest.raises(NotLoggedInError):
        await enter(FakeTokens({"x": make_token()[0]}), {"x-user-id": "", "x-auth-token": ""})
    assert not authentication._NO_TOKEN.is_active(NOW)


async def test_every_refusal_makes_the_same_comparisons(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unknown, expired, revoked and wrong-user tokens can't be told apart by the work they cause."""
    token, secret = make_token(expires_at=NOW + timedelta(days=1))
    revoked, revoked_secret = make_token()
    revoked = replace(revoked, revoked_at=NOW)
    tokens = FakeTokens({token.digest: token, revoked.digest: revoked})
    compared: list[tuple[int, int]] = []

    def compare(left: str, right: str) -> bool:
        compared.append((len(left), len(right)))
        return left == right

    monkeypatch.setattr(hmac, "compare_digest", compare)
    for headers, now in (
        (login("alice", "unknown"), NOW),
        (login("alice", secret), NOW + timedelta(days=2)),
        (login("alice", revoked_secret), NOW),
        (login("somebody else", secret), NOW),
    ):
        compared.clear()
        with pytest.raises(NotLoggedInError):
            await enter(tokens, headers, now)
        assert compared == [(64, 64), (64, 64)]


def test_permissions_are_compared_whole() -> None:
    token, _ = make_token(permissions=["view-engagement"])
    with pytest.raises(NotPermittedError):
        authorise(token, VIEW_ENGAGEMENT_DASHBOARD)
    authorise(token, Permission("view-engagement"))


@pytest.mark.parametrize(
    ("user_id", "secret"),
    [("", "x"), ("x", ""), ("x" * 129, "x"), ("x", "x" * 257), ("x" * 9999, "x" * 9999)],
)
async def test_headers_of_no_sensible_length_cost_no_look_up(user_id: str, secret: str) -> None:
    tokens = FakeTokens()
    with pytest.raises(NotLoggedInError):
        await enter(tokens, login(user_id, secret))
    assert tokens.asked == []
