"""Failed logins, bounded by address: who is told to wait, who is let in all the same, and what is counted."""

from dataclasses import replace
from datetime import timedelta

import pytest
from multidict import CIMultiDict

from api.errors import TokensUnavailableError
from api.resources import ADMISSION
from tests.contract.conftest import Client
from tests.contract.limits import EMPTY, NOT_LOGGED_IN, enter, limits, told, too_many
from tests.support.fakes_api import NOW, FakeClock, FakeTimer, FakeTokens, login, make_token

pytestmark = pytest.mark.usefixtures("headers")  # a store without any token calls none unknown


async def fail(client: Client, times: int, *, address: str = "203.0.113.7") -> list[int]:
    """Try so many unknown tokens from an address; return the statuses."""
    sent = [login("mallory", f"guess-{number}") | come_from(address) for number in range(times)]
    return [(await told(client, headers))[0] for headers in sent]


def come_from(address: str) -> dict[str, str]:
    return {"X-Forwarded-For": address}


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
async def test_whoever_watches_over_the_process_is_never_refused(bounded_client: Client, path: str) -> None:
    await fail(bounded_client, 9)
    for _ in range(9):
        status, shown, _ = await told(bounded_client, come_from("203.0.113.7"), path)
        assert status != 429
        assert shown == {}


async def test_an_address_that_fails_too_often_is_told_to_wait(bounded_client: Client) -> None:
    guess = login("mallory", "guess") | come_from("203.0.113.7")
    assert await fail(bounded_client, 2) == [401, 401]
    refused = (429, {"Retry-After": "60"} | limits(2, 0), too_many(60))
    assert await told(bounded_client, guess) == refused
    assert await told(bounded_client, come_from("203.0.113.7")) == refused


async def test_a_new_minute_is_a_new_start(bounded_client: Client, clock: FakeClock) -> None:
    assert await fail(bounded_client, 3) == [401, 401, 429]
    clock.now += timedelta(minutes=1)
    assert await fail(bounded_client, 3) == [401, 401, 429]


async def test_other_addresses_do_not_notice(bounded_client: Client) -> None:
    await fail(bounded_client, 9, address="203.0.113.7")
    assert await fail(bounded_client, 1, address="203.0.113.8") == [401]


async def test_a_header_sent_twice_is_one_list(bounded_client: Client) -> None:
    """A proxy may add a header of its own below the one that the client made up."""
    await fail(bounded_client, 9, address="203.0.113.7")
    for first, second, status in (("203.0.113.8", "203.0.113.7", 429), ("203.0.113.7", "203.0.113.8", 401)):
        sent = CIMultiDict([("X-Forwarded-For", first), ("X-Forwarded-For", second)])
        assert (await told(bounded_client, sent))[0] == status


async def test_a_network_of_64_bits_is_one_address(bounded_client: Client) -> None:
    assert await fail(bounded_client, 1, address="2001:db8:0:1::1") == [401]
    assert await fail(bounded_client, 2, address="2001:db8:0:1:ffff::2") == [401, 429]
    assert await fail(bounded_client, 1, address="2001:db8:0:2::1") == [401]


async def test_a_flood_of_guesses_costs_the_store_one_look_at_its_tokens(
    bounded_client: Client, tokens: FakeTokens, headers: dict[str, str]
) -> None:
    await fail(bounded_client, 50)
    assert (len(tokens.asked), tokens.lists) == (2, 1)


async def test_a_valid_token_is_let_in_from_an_address_that_fails(
    bounded_client: Client, headers: dict[str, str]
) -> None:
    """Behind one address may be a company with one broken client."""
    await fail(bounded_client, 9)
    for remaining in (2, 1):
        assert await told(bounded_client, headers | come_from("203.0.113.7")) == (
            200,
            limits(3, remaining),
            EMPTY,
        )


async def test_a_new_token_is_let_in_once_the_list_of_tokens_is_old(
    bounded_client: Client, tokens: FakeTokens, clock: FakeClock, headers: dict[str, str]
) -> None:
    await fail(bounded_client, 9)
    new = enter(tokens, "view-engagement-dashboard") | come_from("203.0.113.7")
    assert (await told(bounded_client, new))[0] == 429
    clock.now += timedelta(seconds=10)
    assert (await told(bounded_client, new))[0] == 200


async def test_a_token_that_was_revoked_is_let_in_from_nowhere_five_seconds_later(
    bounded_client: Client, tokens: FakeTokens, timer: FakeTimer, headers: dict[str, str]
) -> None:
    await fail(bounded_client, 9)
    known = headers | come_from("203.0.113.7")
    assert (await told(bounded_client, known))[0] == 200
    tokens.kept = {digest: replace(token, revoked_at=NOW) for digest, token in tokens.kept.items()}
    timer.seconds += 5
    assert (await told(bounded_client, known))[0] == 429
    assert (await told(bounded_client, headers | come_from("203.0.113.8")))[0] == 401


async def test_while_tokens_can_not_be_checked_nobody_is_called_wrong(
    bounded_client: Client, tokens: FakeTokens, headers: dict[str, str]
) -> None:
    assert await fail(bounded_client, 2) == [401, 401]
    tokens.error = TokensUnavailableError()
    assert await fail(bounded_client, 1) == [503]


async def test_a_store_that_lost_all_tokens_calls_nobody_wrong(
    bounded_client: Client, tokens: FakeTokens, headers: dict[str, str]
) -> None:
    await fail(bounded_client, 2)
    tokens.kept.clear()
    assert await fail(bounded_client, 1) == [503]


async def test_what_was_wrong_is_counted_by_kind_and_told_to_nobody(
    bounded_client: Client, tokens: FakeTokens, headers: dict[str, str]
) -> None:
    expired, expired_secret = make_token(expires_at=NOW)
    revoked, revoked_secret = make_token()
    tokens.kept |= {expired.digest: expired, revoked.digest: replace(revoked, revoked_at=NOW)}
    attempts = [
        {},
        login("alice", "unknown"),
        login("alice", expired_secret),
        login("alice", revoked_secret),
        headers | {"X-User-Id": "bob"},
    ]
    for number, attempt in enumerate(attempts):
        wrong = await told(bounded_client, attempt | come_from(f"203.0.113.{number}"))
        assert wrong == (401, {}, NOT_LOGGED_IN)
    rejections = bounded_client.app[ADMISSION].rejections
    kinds = ("missing", "unknown", "expired", "revoked", "wrong-user")
    assert rejections.failed_logins == dict.fromkeys(kinds, 1)
    assert not rejections.rate_limited


async def test_refusals_are_counted_by_what_was_exceeded(
    bounded_client: Client, headers: dict[str, str]
) -> None:
    await fail(bounded_client, 4)
    for _ in range(6):
        await told(bounded_client, headers)
    rejections = bounded_client.app[ADMISSION].rejections
    assert rejections.rate_limited == {"address": 2, "token": 3}
    assert rejections.failed_logins == {"unknown": 4}
