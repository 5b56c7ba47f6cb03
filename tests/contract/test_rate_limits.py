"""The rate limit of a token compared with the contract: bodies, headers, order of the checks, exemption."""

from datetime import UTC, datetime, timedelta

import pytest

from api.errors import RateLimitUnavailableError
from projector.views.daily import CatchingUpError, ViewUnavailableError
from tests.contract.conftest import Client
from tests.contract.limits import (
    EMPTY,
    NOT_LOGGED_IN,
    PATH,
    RESET,
    TARGET,
    add_login,
    exchange,
    limits,
    too_many,
)
from tests.support.fakes_api import NOW, FakeClock, FakeLimiter, FakeTimer, FakeTokens, FakeView

NOT_PERMITTED = (
    b'{"success":false,"error":'
    b'"User does not have the permissions required for this action [error-unauthorized]"}'
)
START_MISSING = b'{"success":false,"error":"Match error: Missing key \'start\'"}'
UNCOUNTED = (
    b'{"success":false,"error":'
    b'"Rate limiting is temporarily unavailable, please try again later [error-rate-limit-unavailable]"}'
)


async def test_every_response_has_the_rate_limit_headers(
    limited_client: Client, headers: dict[str, str]
) -> None:
    for remaining in (2, 1, 0):
        assert await exchange(limited_client, headers) == (200, limits(3, remaining), EMPTY)


@pytest.mark.parametrize(("second", "wait"), [(0, 60), (1, 59), (30.001, 30), (59, 1), (59.999, 1)])
async def test_a_request_beyond_the_limit_is_429_with_retry_after(
    limited_client: Client, headers: dict[str, str], clock: FakeClock, *, second: float, wait: int
) -> None:
    clock.now = NOW + timedelta(seconds=second)
    for _ in range(3):
        await exchange(limited_client, headers)
    refused = (429, {"Retry-After": str(wait)} | limits(3, 0), too_many(wait))
    assert [await exchange(limited_client, headers) for _ in range(2)] == [refused, refused]


async def test_after_the_wait_the_client_is_answered(
    limited_client: Client, headers: dict[str, str], clock: FakeClock
) -> None:
    for _ in range(4):
        await exchange(limited_client, headers)
    clock.now = datetime.fromtimestamp(RESET / 1000, UTC)
    assert await exchange(limited_client, headers) == (200, limits(3, 2, RESET + 60_000), EMPTY)


async def test_the_limit_is_checked_after_the_login_and_before_permission_and_query(
    limited_client: Client, tokens: FakeTokens, limiter: FakeLimiter
) -> None:
    """All errors at once, then fewer and fewer."""
    limiter.per_minute = 0
    useless = add_login(tokens)
    assert await exchange(limited_client, {}, PATH) == (401, {}, NOT_LOGGED_IN)
    assert (await exchange(limited_client, useless, PATH))[0] == 429
    limiter.per_minute = 9
    assert await exchange(limited_client, useless, PATH) == (403, limits(9, 7), NOT_PERMITTED)
    allowed = add_login(tokens, "view-engagement-dashboard")
    assert await exchange(limited_client, allowed, PATH) == (400, limits(9, 8), START_MISSING)


@pytest.mark.parametrize("error", [CatchingUpError(), ViewUnavailableError(), RuntimeError()])
async def test_errors_of_counted_requests_have_the_rate_limit_headers(
    limited_client: Client, view: FakeView, headers: dict[str, str], error: Exception
) -> None:
    view.error = error
    status, shown, _ = await exchange(limited_client, headers)
    assert status >= 500
    assert shown.items() >= limits(3, 2).items()


async def test_a_refused_request_does_not_reach_the_counters(
    limited_client: Client, view: FakeView, timer: FakeTimer, headers: dict[str, str]
) -> None:
    for _ in range(9):
        timer.seconds += 1
        await exchange(limited_client, headers)
    assert len(view.queries) == 3


async def test_each_token_of_a_user_has_its_own_limit(limited_client: Client, tokens: FakeTokens) -> None:
    one, other = (add_login(tokens, "view-engagement-dashboard") for _ in range(2))
    for _ in range(4):
        await exchange(limited_client, one)
    assert (await exchange(limited_client, one))[0] == 429
    assert await exchange(limited_client, other) == (200, limits(3, 2), EMPTY)


async def test_head_is_counted_too(limited_client: Client, headers: dict[str, str]) -> None:
    async with limited_client.head(TARGET, headers=headers) as response:
        assert response.headers["X-RateLimit-Remaining"] == "2"
    assert await exchange(limited_client, headers) == (200, limits(3, 1), EMPTY)


async def test_a_permission_bypasses_the_limit(
    limited_client: Client, tokens: FakeTokens, limiter: FakeLimiter
) -> None:
    exempt = add_login(tokens, "view-engagement-dashboard", "api-bypass-rate-limit")
    for _ in range(5):
        assert await exchange(limited_client, exempt) == (200, {}, EMPTY)
    assert not limiter.counts


async def test_without_a_limit_there_are_no_rate_limit_headers(
    client: Client, headers: dict[str, str]
) -> None:
    assert await exchange(client, headers) == (200, {}, EMPTY)


async def test_a_request_that_cannot_be_counted_is_not_answered(
    limited_client: Client, view: FakeView, limiter: FakeLimiter, headers: dict[str, str]
) -> None:
    limiter.error = RateLimitUnavailableError("redis://:password@10.0.0.1")
    assert await exchange(limited_client, headers) == (503, {"Retry-After": "1"}, UNCOUNTED)
    assert view.queries == []


async def test_a_limiter_that_hangs_does_not_block_requests(
    limited_client: Client, limiter: FakeLimiter, headers: dict[str, str]
) -> None:
    limiter.hangs = True
    status, shown, _ = await exchange(limited_client, headers)
    assert (status, shown) == (503, {"Retry-After": "1"})
