"""Authentication: which headers succeed, which fail, and that all failures do the same work."""

import hashlib
import hmac
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from multidict import CIMultiDict

from api.auth import authentication
from api.auth.authentication import VIEW_ENGAGEMENT_DASHBOARD, Permission, authenticate, authorise
from api.auth.tokens import Token
from api.errors import NotLoggedInError, NotPermittedError, TokensUnavailableError
from tests.support.fakes_api import NOW, FakeTokens, login, make_token

Step = tuple[str, int] | tuple[str, int, int]


async def enter(tokens: FakeTokens, headers: dict[str, str], now: datetime = NOW) -> Token:
    return await authenticate(CIMultiDict(headers), tokens, now)


async def test_a_token_with_its_user_id_authenticates() -> None:
    token, secret = make_token()
    assert await enter(FakeTokens({token.digest: token}), login("alice", secret)) == token


async def test_a_user_id_outside_of_ascii_authenticates() -> None:
    token, secret = make_token(user_id="älice")
    assert await enter(FakeTokens({token.digest: token}), login("älice", secret)) == token


async def test_only_the_digest_is_looked_up() -> None:
    token, secret = make_token()
    tokens = FakeTokens({token.digest: token})
    await enter(tokens, login("alice", secret))
    assert tokens.lookups == [token.digest]


async def test_a_token_of_another_digest_does_not_authenticate() -> None:
    """Even if the store returns a token, its digest must match."""
    token, secret = make_token()
    other, _ = make_token()
    with pytest.raises(NotLoggedInError):
        await enter(FakeTokens({token.digest: other}), login("alice", secret))


async def test_a_revoked_token_does_not_authenticate() -> None:
    token, secret = make_token()
    revoked = replace(token, revoked_at=NOW - timedelta(days=1))
    with pytest.raises(NotLoggedInError):
        await enter(FakeTokens({token.digest: revoked}), login("alice", secret))


@pytest.mark.parametrize("revoked_at", [NOW, NOW + timedelta(days=1)])
async def test_a_token_revoked_in_the_future_does_not_authenticate(revoked_at: datetime) -> None:
    token, _ = make_token()
    assert not replace(token, revoked_at=revoked_at).is_active(NOW)


async def test_an_unavailable_store_never_authenticates() -> None:
    token, secret = make_token()
    tokens = FakeTokens({token.digest: token}, error=TokensUnavailableError())
    with pytest.raises(TokensUnavailableError):
        await enter(tokens, login("alice", secret))


async def test_the_placeholder_of_a_missing_token_never_authenticates() -> None:
    with pytest.raises(NotLoggedInError):
        await enter(FakeTokens({"x": make_token()[0]}), {"x-user-id": "", "x-auth-token": ""})
    assert not authentication._NO_TOKEN.is_active(NOW)


async def test_every_failure_takes_the_same_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unknown, expired, revoked and wrong-user tokens cause the same work."""
    token, secret = make_token(expires_at=NOW + timedelta(days=1))
    revoked, revoked_secret = make_token(user_id="a" * 128)
    revoked = replace(revoked, revoked_at=NOW)
    tokens = FakeTokens({token.digest: token, revoked.digest: revoked})
    steps = record_steps(monkeypatch)
    taken: dict[str, list[Step]] = {}
    for headers, now in (
        (login("alice", make_token()[1]), NOW),
        (login("alice", secret), NOW + timedelta(days=2)),
        (login("a" * 128, revoked_secret), NOW),
        (login("\U0001f600" * 128, secret), NOW),
    ):
        steps.clear()
        with pytest.raises(NotLoggedInError) as refused:
            await enter(tokens, headers, now)
        taken[refused.value.failure] = [*steps]
    assert taken.keys() == {"unknown", "expired", "revoked", "wrong-user"}
    hashed_and_compared: list[Step] = [("hash", 43), ("compare", 64, 64), ("compare", 512, 512)]
    assert [*taken.values()] == [hashed_and_compared] * 4
    assert len(tokens.lookups) == 4


def record_steps(monkeypatch: pytest.MonkeyPatch) -> list[Step]:
    """Return a list that records each hash and comparison from now on, with its number of bytes."""
    steps: list[Step] = []
    digest = hashlib.sha256

    def compute(content: bytes) -> object:
        steps.append(("hash", len(content)))
        return digest(content)

    def compare(left: str | bytes, right: str | bytes) -> bool:
        steps.append(("compare", len(left), len(right)))
        return left == right

    monkeypatch.setattr(hashlib, "sha256", compute)
    monkeypatch.setattr(hmac, "compare_digest", compare)
    return steps


@pytest.mark.parametrize("user_id", ["alice\udcff", "alice\udcff\udcff", "alice ", "ALICE", "alic", "\udcff"])
async def test_no_other_bytes_match_a_user_id(user_id: str) -> None:
    """User ids are padded to one length for comparison; a client must not be able to send the padding."""
    token, secret = make_token(user_id="alice")
    with pytest.raises(NotLoggedInError) as refused:
        await enter(FakeTokens({token.digest: token}), login(user_id, secret))
    assert refused.value.failure == "wrong-user"


@pytest.mark.parametrize("failure", ["expired", "revoked", "wrong-user"])
async def test_the_error_names_the_cause(failure: str) -> None:
    token, secret = make_token(expires_at=NOW if failure == "expired" else None)
    kept = replace(token, revoked_at=NOW if failure == "revoked" else None)
    with pytest.raises(NotLoggedInError) as refused:
        await enter(
            FakeTokens({token.digest: kept}), login("bob" if failure == "wrong-user" else "alice", secret)
        )
    assert refused.value.failure == failure


def test_permissions_are_compared_whole() -> None:
    token, _ = make_token(permissions=["view-engagement"])
    with pytest.raises(NotPermittedError):
        authorise(token, VIEW_ENGAGEMENT_DASHBOARD)
    authorise(token, Permission("view-engagement"))


@pytest.mark.parametrize(
    ("user_id", "secret"),
    [("", "x"), ("x", ""), ("x" * 129, "x"), ("x", "x" * 257), ("x" * 9999, "x" * 9999)],
)
async def test_headers_of_invalid_length_cost_no_lookup(user_id: str, secret: str) -> None:
    tokens = FakeTokens()
    with pytest.raises(NotLoggedInError):
        await enter(tokens, login(user_id, secret))
    assert tokens.lookups == []
