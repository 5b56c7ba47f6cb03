"""The rate limits, row by row of the contract: bodies, headers, the order of the checks, who is exempt."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from multidict import CIMultiDict

from api.errors import RateLimitUnavailableError, TokensUnavailableError
from api.resources import ADMISSION
from projector.view import CatchingUpError, ViewUnavailableError
from tests.contract.conftest import Client
from tests.fakes_api import NOW, FakeClock, FakeLimiter, FakeTokens, FakeView, login, make_token

pytestmark = pytest.mark.usefixtures("headers")  # a store without any token calls none unknown

PATH = "/api/v1/engagement-dashboard/users/chat-busier/weekly-data"
ASKED = f"{PATH}?start=2023-05-19T00:00:00.000Z"

EMPTY = b'{"month":[],"success":true}'
NOT_LOGGED_IN = b'{"status":"error","message":"You must be logged in to do this."}'
NOT_PERMITTED = (
    b'{"success":false,"error":'
    b'"User does not have the permissions required for this action [error-unauthorized]"}'
)
START_MISSING = b'{"success":false,"error":"Match error: Missing key \'start\'"}'
UNCOUNTED = (
    b'{"success":false,"error":'
    b'"Requests can\'t be counted at the moment, please try again later [error-rate-limit-unavailable]"}'
)

RESET = 1_684_521_060_000
"""18:31:00 of the day that the clock shows, in milliseconds: the end of the minute."""

Told = tuple[int, Mapping[str, str], bytes]


def too_many(seconds: int) -> bytes:
    return (
        b'{"success":false,"error":"Error, too many requests. Please slow down. You must wait %d seconds '
        b'before trying this endpoint again. [error-too-many-requests]"}' % seconds
    )


def limits(limit: int, remaining: int, reset: int = RESET) -> dict[str, str]:
    names = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
    return dict(zip(names, map(str, (limit, remaining, reset)), strict=True))


async def told(client: Client, headers: Mapping[str, str], path: str = ASKED) -> Told:
    """Ask; of the answer's headers return those of the limit."""
    async with client.get(path, headers=headers) as response:
        assert response.headers["Content-Type"] == "application/json"
        shown = {
            name: value
            for name, value in response.headers.items()
            if name.startswith("X-RateLimit") or name == "Retry-After"
        }
        return response.status, shown, await response.read()


async def fail(client: Client, times: int, *, address: str = "203.0.113.7") -> list[int]:
    """Try so many unknown tokens from an address; return the statuses."""
    sent = [login("mallory", f"guess-{number}") | come_from(address) for number in range(times)]
    return [(await told(client, headers))[0] for headers in sent]


def come_from(address: str) -> dict[str, str]:
    return {"X-Forwarded-For": address}


def enter(tokens: FakeTokens, *permissions: str, user_id: str = "alice") -> dict[str, str]:
    """Add a token, and return what logs in with it."""
    token, secret = make_token(user_id=user_id, permissions=permissions)
    tokens.kept[token.digest] = token
    return login(user_id, secret)


async def test_every_answer_says_what_is_left(bounded_client: Client, headers: dict[str, str]) -> None:
    for remaining in (2, 1, 0):
        assert await told(bounded_client, headers) == (200, limits(3, remaining), EMPTY)


@pytest.mark.parametrize(("second", "wait"), [(0, 60), (1, 59), (30.001, 30), (59, 1), (59.999, 1)])
async def test_one_too_many_is_429_with_the_wait(
    bounded_client: Client, headers: dict[str, str], clock: FakeClock, *, second: float, wait: int
) -> None:
    clock.now = NOW + timedelta(seconds=second)
    for _ in range(3):
        await told(bounded_client, headers)
    refused = (429, {"Retry-After": str(wait)} | limits(3, 0), too_many(wait))
    assert [await told(bounded_client, headers) for _ in range(2)] == [refused, refused]


async def test_after_the_wait_the_client_is_answered(
    bounded_client: Client, headers: dict[str, str], clock: FakeClock
) -> None:
    for _ in range(4):
        await told(bounded_client, headers)
    clock.now = datetime.fromtimestamp(RESET / 1000, UTC)
    assert await told(bounded_client, headers) == (200, limits(3, 2, RESET + 60_000), EMPTY)


async def test_the_limit_comes_after_the_login_and_before_permission_and_query(
    bounded_client: Client, tokens: FakeTokens, limiter: FakeLimiter
) -> None:
    """Everything wrong at once, then less and less of it."""
    limiter.per_minute = 0
    useless = enter(tokens)
    assert await told(bounded_client, {}, PATH) == (401, {}, NOT_LOGGED_IN)
    assert (await told(bounded_client, useless, PATH))[0] == 429
    limiter.per_minute = 9
    assert await told(bounded_client, useless, PATH) == (403, limits(9, 7), NOT_PERMITTED)
    allowed = enter(tokens, "view-engagement-dashboard")
    assert await told(bounded_client, allowed, PATH) == (400, limits(9, 8), START_MISSING)


@pytest.mark.parametrize("error", [CatchingUpError(), ViewUnavailableError(), RuntimeError()])
async def test_errors_after_it_was_counted_say_what_is_left_too(
    bounded_client: Client, view: FakeView, headers: dict[str, str], error: Exception
) -> None:
    view.error = error
    status, shown, _ = await told(bounded_client, headers)
    assert status >= 500
    assert shown.items() >= limits(3, 2).items()


async def test_a_refused_request_does_not_reach_the_counters(
    bounded_client: Client, view: FakeView, headers: dict[str, str]
) -> None:
    for _ in range(9):
        await told(bounded_client, headers)
    assert len(view.asked) == 3


async def test_each_token_has_its_own_limit_also_of_the_same_user(
    bounded_client: Client, tokens: FakeTokens
) -> None:
    one, other = (enter(tokens, "view-engagement-dashboard") for _ in range(2))
    for _ in range(4):
        await told(bounded_client, one)
    assert (await told(bounded_client, one))[0] == 429
    assert await told(bounded_client, other) == (200, limits(3, 2), EMPTY)


async def test_head_is_counted_too(bounded_client: Client, headers: dict[str, str]) -> None:
    async with bounded_client.head(ASKED, headers=headers) as response:
        assert response.headers["X-RateLimit-Remaining"] == "2"
    assert await told(bounded_client, headers) == (200, limits(3, 1), EMPTY)


async def test_a_permission_lifts_the_limit(
    bounded_client: Client, tokens: FakeTokens, limiter: FakeLimiter
) -> None:
    exempt = enter(tokens, "view-engagement-dashboard", "api-bypass-rate-limit")
    for _ in range(5):
        assert await told(bounded_client, exempt) == (200, {}, EMPTY)
    assert not limiter.counts


async def test_without_a_limit_nothing_is_said_of_one(client: Client, headers: dict[str, str]) -> None:
    assert await told(client, headers) == (200, {}, EMPTY)


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
async def test_whoever_watches_over_the_process_is_never_refused(bounded_client: Client, path: str) -> None:
    await fail(bounded_client, 9)
    for _ in range(9):
        status, shown, _ = await told(bounded_client, come_from("203.0.113.7"), path)
        assert status != 429
        assert shown == {}


async def test_what_can_not_be_counted_is_not_answered(
    bounded_client: Client, view: FakeView, limiter: FakeLimiter, headers: dict[str, str]
) -> None:
    limiter.error = RateLimitUnavailableError("redis://:password@10.0.0.1")
    assert await told(bounded_client, headers) == (503, {"Retry-After": "1"}, UNCOUNTED)
    assert view.asked == []


async def test_a_limiter_that_hangs_hangs_no_request(
    bounded_client: Client, limiter: FakeLimiter, headers: dict[str, str]
) -> None:
    limiter.hangs = True
    status, shown, _ = await told(bounded_client, headers)
    assert (status, shown) == (503, {"Retry-After": "1"})


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


async def test_a_token_revoked_a_moment_ago_is_let_in_from_nowhere(
    bounded_client: Client, tokens: FakeTokens, headers: dict[str, str]
) -> None:
    await fail(bounded_client, 9)
    known = headers | come_from("203.0.113.7")
    assert (await told(bounded_client, known))[0] == 200
    tokens.kept = {digest: replace(token, revoked_at=NOW) for digest, token in tokens.kept.items()}
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
    refusals = bounded_client.app[ADMISSION].refusals
    kinds = ("missing", "unknown", "expired", "revoked", "wrong-user")
    assert refusals.failed_logins == dict.fromkeys(kinds, 1)
    assert not refusals.rate_limited


async def test_refusals_are_counted_by_what_was_exceeded(
    bounded_client: Client, headers: dict[str, str]
) -> None:
    await fail(bounded_client, 4)
    for _ in range(6):
        await told(bounded_client, headers)
    refusals = bounded_client.app[ADMISSION].refusals
    assert refusals.rate_limited == {"address": 2, "token": 3}
    assert refusals.failed_logins == {"unknown": 4}
