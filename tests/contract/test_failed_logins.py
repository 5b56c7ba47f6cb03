"""Throttling of failed logins by address: which requests are refused or accepted, and what is counted."""

from dataclasses import replace
from datetime import timedelta

import pytest
from multidict import CIMultiDict

from api.errors import TokensUnavailableError
from api.resources import ADMISSION
from tests.contract.conftest import Client
from tests.contract.limits import EMPTY, NOT_LOGGED_IN, add_login, exchange, limits, too_many
from tests.support.fakes_api import NOW, FakeClock, FakeTimer, FakeTokens, login, make_token

pytestmark = pytest.mark.usefixtures("headers")  # an empty store reports no token as unknown


async def fail(client: Client, times: int, *, address: str = "203.0.113.7") -> list[int]:
    """Send requests with unknown tokens from an address; return the statuses."""
    sent = [login("mallory", f"guess-{number}") | come_from(address) for number in range(times)]
    return [(await exchange(client, headers))[0] for headers in sent]


def come_from(address: str) -> dict[str, str]:
    return {"X-Forwarded-For": address}


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
async def test_health_paths_are_never_rate_limited(limited_client: Client, path: str) -> None:
    await fail(limited_client, 9)
    for _ in range(9):
        status, shown, _ = await exchange(limited_client, come_from("203.0.113.7"), path)
        assert status != 429
        assert shown == {}


async def test_an_address_with_too_many_failures_is_429_with_retry_after(limited_client: Client) -> None:
    guess = login("mallory", "guess") | come_from("203.0.113.7")
    assert await fail(limited_client, 2) == [401, 401]
    refused = (429, {"Retry-After": "60"} | limits(2, 0), too_many(60))
    assert await exchange(limited_client, guess) == refused
    assert await exchange(limited_client, come_from("203.0.113.7")) == refused


async def test_the_limit_starts_again_each_minute(limited_client: Client, clock: FakeClock) -> None:
    assert await fail(limited_client, 3) == [401, 401, 429]
    clock.now += timedelta(minutes=1)
    assert await fail(limited_client, 3) == [401, 401, 429]


async def test_other_addresses_are_not_affected(limited_client: Client) -> None:
    await fail(limited_client, 9, address="203.0.113.7")
    assert await fail(limited_client, 1, address="203.0.113.8") == [401]


async def test_a_header_sent_twice_is_one_list(limited_client: Client) -> None:
    """A proxy may add its own header after the one that the client forged."""
    await fail(limited_client, 9, address="203.0.113.7")
    for first, second, status in (("203.0.113.8", "203.0.113.7", 429), ("203.0.113.7", "203.0.113.8", 401)):
        sent = CIMultiDict([("X-Forwarded-For", first), ("X-Forwarded-For", second)])
        assert (await exchange(limited_client, sent))[0] == status


async def test_a_network_of_64_bits_is_one_address(limited_client: Client) -> None:
    assert await fail(limited_client, 1, address="2001:db8:0:1::1") == [401]
    assert await fail(limited_client, 2, address="2001:db8:0:1:ffff::2") == [401, 429]
    assert await fail(limited_client, 1, address="2001:db8:0:2::1") == [401]


async def test_a_flood_of_guesses_costs_the_store_one_read(
    limited_client: Client, tokens: FakeTokens, headers: dict[str, str]
) -> None:
    await fail(limited_client, 50)
    assert (len(tokens.lookups), tokens.lists) == (2, 1)


async def test_a_valid_token_is_accepted_from_a_throttled_address(
    limited_client: Client, headers: dict[str, str]
) -> None:
    """One address may be shared by a company with one broken client."""
    await fail(limited_client, 9)
    for remaining in (2, 1):
        assert await exchange(limited_client, headers | come_from("203.0.113.7")) == (
            200,
            limits(3, remaining),
            EMPTY,
        )


async def test_a_new_token_is_accepted_once_the_snapshot_is_stale(
    limited_client: Client, tokens: FakeTokens, clock: FakeClock, headers: dict[str, str]
) -> None:
    await fail(limited_client, 9)
    new = add_login(tokens, "view-engagement-dashboard") | come_from("203.0.113.7")
    assert (await exchange(limited_client, new))[0] == 429
    clock.now += timedelta(seconds=10)
    assert (await exchange(limited_client, new))[0] == 200


async def test_a_revoked_token_is_rejected_from_every_address_after_five_seconds(
    limited_client: Client, tokens: FakeTokens, timer: FakeTimer, headers: dict[str, str]
) -> None:
    await fail(limited_client, 9)
    known = headers | come_from("203.0.113.7")
    assert (await exchange(limited_client, known))[0] == 200
    tokens.by_digest = {digest: replace(token, revoked_at=NOW) for digest, token in tokens.by_digest.items()}
    timer.seconds += 5
    assert (await exchange(limited_client, known))[0] == 429
    assert (await exchange(limited_client, headers | come_from("203.0.113.8")))[0] == 401


async def test_an_unavailable_store_is_never_answered_401(
    limited_client: Client, tokens: FakeTokens, headers: dict[str, str]
) -> None:
    assert await fail(limited_client, 2) == [401, 401]
    tokens.error = TokensUnavailableError()
    assert await fail(limited_client, 1) == [503]


async def test_an_empty_store_is_never_answered_401(
    limited_client: Client, tokens: FakeTokens, headers: dict[str, str]
) -> None:
    await fail(limited_client, 2)
    tokens.by_digest.clear()
    assert await fail(limited_client, 1) == [503]


async def test_failed_logins_are_counted_by_cause_without_revealing_it(
    limited_client: Client, tokens: FakeTokens, headers: dict[str, str]
) -> None:
    expired, expired_secret = make_token(expires_at=NOW)
    revoked, revoked_secret = make_token()
    tokens.by_digest |= {expired.digest: expired, revoked.digest: replace(revoked, revoked_at=NOW)}
    attempts = [
        {},
        login("alice", "unknown"),
        login("alice", expired_secret),
        login("alice", revoked_secret),
        headers | {"X-User-Id": "bob"},
    ]
    for number, attempt in enumerate(attempts):
        wrong = await exchange(limited_client, attempt | come_from(f"203.0.113.{number}"))
        assert wrong == (401, {}, NOT_LOGGED_IN)
    rejections = limited_client.app[ADMISSION].rejections
    kinds = ("missing", "unknown", "expired", "revoked", "wrong-user")
    assert rejections.failed_logins == dict.fromkeys(kinds, 1)
    assert not rejections.rate_limited


async def test_rejections_are_counted_by_the_exceeded_limit(
    limited_client: Client, headers: dict[str, str]
) -> None:
    await fail(limited_client, 4)
    for _ in range(6):
        await exchange(limited_client, headers)
    rejections = limited_client.app[ADMISSION].rejections
    assert rejections.rate_limited == {"address": 2, "token": 3}
    assert rejections.failed_logins == {"unknown": 4}
