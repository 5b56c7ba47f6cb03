"""The limit of a token, row by row of the contract: bodies, headers, order of the checks, who is exempt."""

from datetime import UTC, datetime, timedelta

import pytest

from api.errors import RateLimitUnavailableError
from projector.views.daily import CatchingUpError, ViewUnavailableError
from tests.contract.conftest import Client
from tests.contract.limits import ASKED, EMPTY, NOT_LOGGED_IN, PATH, RESET, enter, limits, told, too_many
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
    bounded_client: Client, view: FakeView, timer: FakeTimer, headers: dict[str, str]
) -> None:
    for _ in range(9):
        timer.seconds += 1
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
