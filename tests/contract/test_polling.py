"""Polling: how long answers are cached, and that every check is made for cached answers too."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta

import pytest

from api.errors import RateLimitUnavailableError, TokensUnavailableError
from api.fast_path import FAST_PATH
from api.resources import ADMISSION
from projector.views.daily import ESTIMATE_STANDARD_ERROR, CatchingUpError, ViewUnavailableError
from tests.contract.conftest import Client
from tests.contract.limits import EMPTY, NOT_LOGGED_IN, PATH, TARGET, add_login, exchange, limits
from tests.support.fakes_api import (
    NOW,
    FakeClock,
    FakeLimiter,
    FakeTimer,
    FakeTokens,
    FakeView,
    login,
    make_token,
)
from tests.support.waiting import wait_until

ONE = b'{"month":[{"users":1,"day":19,"month":5,"year":2023}],"success":true}'
NAMES = ("Cache-Control", "ETag", "Vary", "X-Headcount-As-Of", "X-Headcount-Precision")

Answer = tuple[int, bytes, Mapping[str, str]]


async def ask(
    client: Client, headers: Mapping[str, str], path: str = TARGET, *, method: str = "GET"
) -> Answer:
    async with client.request(method, path, headers=headers) as response:
        shown = {name: response.headers[name] for name in NAMES if name in response.headers}
        return response.status, await response.read(), shown


def count_one(view: FakeView) -> None:
    view.counts["acme", date(2023, 5, 19)] = 1


@pytest.fixture
def fast_path(client: Client) -> list[tuple[str, int]]:
    """Collect the responses of the fast path."""
    answered: list[tuple[str, int]] = []
    client.app[FAST_PATH].record = lambda route, status, _: answered.append((route, status))
    return answered


async def test_the_same_query_is_read_once_per_quarter_of_a_second(
    client: Client, view: FakeView, timer: FakeTimer, headers: dict[str, str]
) -> None:
    for _ in range(3):
        assert (await ask(client, headers))[:2] == (200, EMPTY)
    assert len(view.queries) == 1
    count_one(view)
    timer.seconds += 0.1875
    assert (await ask(client, headers))[1] == EMPTY
    timer.seconds += 0.0625
    assert (await ask(client, headers))[1] == ONE
    assert len(view.queries) == 2


async def test_an_answer_is_renewed_before_it_expires_without_waiting(
    client: Client,
    view: FakeView,
    timer: FakeTimer,
    headers: dict[str, str],
    fast_path: list[tuple[str, int]],
) -> None:
    await ask(client, headers)
    count_one(view)
    view.hangs = True
    timer.seconds += 0.1875
    for _ in range(3):
        assert (await ask(client, headers))[1] == EMPTY
    assert len(view.queries) == 2
    view.release()
    await wait_until(lambda: view.answered == 2)
    assert (await ask(client, headers))[1] == ONE
    timer.seconds += 0.125
    assert (await ask(client, headers))[1] == ONE
    assert len(fast_path) == 5


async def test_an_error_of_a_renewal_is_reported_only_after_the_answer_expires(
    client: Client, view: FakeView, timer: FakeTimer, headers: dict[str, str]
) -> None:
    await ask(client, headers)
    view.error = ViewUnavailableError()
    timer.seconds += 0.1875
    for _ in range(3):
        assert (await ask(client, headers))[0] == 200
    timer.seconds += 0.0625
    assert (await ask(client, headers))[0] == 503


async def test_concurrent_requests_share_one_read(client: Client, view: FakeView, tokens: FakeTokens) -> None:
    """The tokens may belong to different users: the answer is the workspace's."""
    counted_users = [
        add_login(tokens, "view-engagement-dashboard", user_id=name) for name in ("alice", "bob")
    ]
    view.hangs = True
    asking = [asyncio.create_task(ask(client, counted_users[number % 2])) for number in range(6)]
    await wait_until(lambda: view.queries)
    view.release()
    assert [answer[:2] for answer in await asyncio.gather(*asking)] == [(200, EMPTY)] * 6
    assert len(view.queries) == 1


async def test_a_client_that_disconnects_does_not_affect_the_others(
    client: Client, view: FakeView, headers: dict[str, str]
) -> None:
    view.hangs = True
    first, second = (asyncio.create_task(ask(client, headers)) for _ in range(2))
    await wait_until(lambda: view.queries)
    first.cancel()
    view.release()
    assert (await second)[:2] == (200, EMPTY)


async def test_other_workspaces_and_other_weeks_are_read_separately(
    client: Client, view: FakeView, tokens: FakeTokens, headers: dict[str, str]
) -> None:
    other, secret = make_token(workspace_id="other")
    tokens.by_digest[other.digest] = other
    count_one(view)
    assert (await ask(client, headers))[1] == ONE
    assert (await ask(client, login("alice", secret)))[1] == EMPTY
    assert (await ask(client, headers, f"{PATH}?start=2023-05-18T00:00:00.000Z"))[1] == EMPTY
    assert len(view.queries) == 3


async def test_as_of_belongs_to_the_cached_numbers(
    client: Client, view: FakeView, timer: FakeTimer, headers: dict[str, str]
) -> None:
    await ask(client, headers)
    view.instant = NOW + timedelta(seconds=1)
    assert (await ask(client, headers))[2]["X-Headcount-As-Of"] == "2023-05-19T18:30:00.000Z"
    timer.seconds += 1
    assert (await ask(client, headers))[2]["X-Headcount-As-Of"] == "2023-05-19T18:30:01.000Z"


@pytest.mark.parametrize("error", [CatchingUpError(), ViewUnavailableError()])
async def test_cached_numbers_expire_and_errors_are_not_cached(
    client: Client, view: FakeView, timer: FakeTimer, headers: dict[str, str], error: Exception
) -> None:
    await ask(client, headers)
    view.error = error
    timer.seconds += 1
    assert (await ask(client, headers))[0] == 503
    view.error = None
    assert (await ask(client, headers))[0] == 200


async def test_most_polls_are_answered_at_once(
    client: Client, headers: dict[str, str], fast_path: list[tuple[str, int]]
) -> None:
    for _ in range(3):
        await ask(client, headers)
    assert fast_path == [(PATH, 200)] * 2


@pytest.mark.parametrize(
    ("method", "path", "changed"),
    [
        ("GET", "/livez?start=2023-05-19T00:00:00.000Z", {}),
        ("GET", f"{PATH}/?start=2023-05-19T00:00:00.000Z", {}),
        ("GET", f"{TARGET}&start=2023-05-19T00:00:00.000Z", {}),
        ("GET", PATH, {}),
        ("POST", TARGET, {}),
        ("GET", TARGET, {"X-User-Id": "bob"}),
        ("GET", TARGET, {"X-Auth-Token": "guess"}),
        ("GET", TARGET, {"Expect": "100-continue"}),
    ],
)
async def test_all_other_requests_take_the_ordinary_path(
    client: Client,
    headers: dict[str, str],
    fast_path: list[tuple[str, int]],
    *,
    method: str,
    path: str,
    changed: dict[str, str],
) -> None:
    await ask(client, headers)
    await ask(client, headers | changed, path, method=method)
    assert fast_path == []


async def test_a_revoked_token_stops_working_within_five_seconds(
    client: Client, tokens: FakeTokens, timer: FakeTimer, headers: dict[str, str]
) -> None:
    assert (await ask(client, headers))[0] == 200
    tokens.by_digest = {digest: replace(token, revoked_at=NOW) for digest, token in tokens.by_digest.items()}
    timer.seconds += 5
    assert (await ask(client, headers))[:2] == (401, NOT_LOGGED_IN)


async def test_polls_do_not_extend_a_cached_login(
    client: Client, tokens: FakeTokens, timer: FakeTimer, headers: dict[str, str]
) -> None:
    assert (await ask(client, headers))[0] == 200
    tokens.by_digest = {digest: replace(token, revoked_at=NOW) for digest, token in tokens.by_digest.items()}
    statuses = []
    for _ in range(10):
        timer.seconds += 0.5
        statuses.append((await ask(client, headers))[0])
    assert statuses == [200] * 7 + [401] * 3


async def test_a_token_expires_between_two_polls(
    limited_client: Client, tokens: FakeTokens, clock: FakeClock
) -> None:
    token, secret = make_token(expires_at=NOW + timedelta(milliseconds=1))
    tokens.by_digest[token.digest] = token
    headers = login("alice", secret)
    assert (await ask(limited_client, headers))[0] == 200
    clock.now += timedelta(milliseconds=1)
    assert (await ask(limited_client, headers))[:2] == (401, NOT_LOGGED_IN)


async def test_a_token_of_another_user_reads_the_store_like_an_unknown_one(
    client: Client, tokens: FakeTokens, headers: dict[str, str]
) -> None:
    """Otherwise its response would be faster, and reveal that the token is valid."""
    await ask(client, headers)
    for wrong in (headers | {"X-User-Id": "bob"}, headers | {"X-Auth-Token": "guess"}):
        tokens.lookups.clear()
        assert (await ask(client, wrong))[:2] == (401, NOT_LOGGED_IN)
        assert len(tokens.lookups) == 1


async def test_without_the_store_cached_logins_last_until_they_expire(
    client: Client, tokens: FakeTokens, timer: FakeTimer, headers: dict[str, str]
) -> None:
    await ask(client, headers)
    tokens.error = TokensUnavailableError()
    assert (await ask(client, headers))[0] == 200
    timer.seconds += 5
    assert (await ask(client, headers))[0] == 503


async def test_without_the_permission_a_cached_answer_is_not_sent(
    client: Client, tokens: FakeTokens, headers: dict[str, str]
) -> None:
    await ask(client, headers)
    unpermitted = add_login(tokens)
    for _ in range(2):
        assert (await ask(client, unpermitted))[0] == 403


async def test_each_poll_is_counted_once(
    limited_client: Client, limiter: FakeLimiter, headers: dict[str, str]
) -> None:
    for remaining in (2, 1, 0):
        assert await exchange(limited_client, headers) == (200, limits(3, remaining), EMPTY)
    assert [*limiter.counts.values()] == [3]
    assert (await exchange(limited_client, headers))[0] == 429
    assert limited_client.app[ADMISSION].rejections.rate_limited == {"token": 1}


async def test_a_poll_that_cannot_be_counted_is_not_answered(
    limited_client: Client, limiter: FakeLimiter, headers: dict[str, str]
) -> None:
    await ask(limited_client, headers)
    limiter.error = RateLimitUnavailableError()
    assert (await ask(limited_client, headers))[0] == 503


async def test_a_matching_tag_is_answered_304_with_the_current_as_of(
    client: Client, view: FakeView, timer: FakeTimer, headers: dict[str, str]
) -> None:
    """The tag stays while the numbers do; as-of is always the newest."""
    _, _, first = await ask(client, headers)
    timer.seconds += 1
    view.instant = NOW + timedelta(seconds=1)
    for _ in range(2):
        status, body, second = await ask(client, headers | {"If-None-Match": first["ETag"]})
        assert (status, body) == (304, b"")
        assert second == {**first, "X-Headcount-As-Of": "2023-05-19T18:30:01.000Z"}


async def test_other_numbers_have_another_tag(
    client: Client, view: FakeView, timer: FakeTimer, headers: dict[str, str]
) -> None:
    _, _, first = await ask(client, headers)
    count_one(view)
    timer.seconds += 1
    status, body, second = await ask(client, headers | {"If-None-Match": first["ETag"]})
    assert (status, body) == (200, ONE)
    assert second["ETag"] != first["ETag"]


async def test_the_same_numbers_with_another_precision_have_another_tag(
    client: Client, view: FakeView, timer: FakeTimer, headers: dict[str, str]
) -> None:
    _, _, first = await ask(client, headers)
    view.standard_error = ESTIMATE_STANDARD_ERROR
    timer.seconds += 1
    assert (await ask(client, headers | {"If-None-Match": first["ETag"]}))[0] == 200


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ("{tag}", 304),
        ("W/{tag}", 304),
        ('"other", {tag}', 304),
        ('"other" , W/"another",W/{tag}', 304),
        ("*", 304),
        ('"other"', 200),
        ("{tag}x", 200),
        ("garbage", 200),
        ("", 200),
    ],
)
async def test_every_form_of_if_none_match_is_accepted(
    client: Client, headers: dict[str, str], sent: str, status: int
) -> None:
    _, _, shown = await ask(client, headers)
    tag = sent.format(tag=shown["ETag"])
    assert (await ask(client, headers | {"If-None-Match": tag}))[0] == status
    assert (await ask(client, headers | {"If-None-Match": tag}, method="HEAD"))[0] == status


async def test_a_tag_reveals_nothing_without_the_permission(
    client: Client, tokens: FakeTokens, headers: dict[str, str]
) -> None:
    anything = {"If-None-Match": "*"}
    assert (await ask(client, anything))[:2] == (401, NOT_LOGGED_IN)
    assert (await ask(client, add_login(tokens) | anything))[0] == 403
    assert (await ask(client, headers | anything, PATH))[0] == 400


async def test_a_304_is_counted_too(limited_client: Client, headers: dict[str, str]) -> None:
    async with limited_client.get(TARGET, headers=headers | {"If-None-Match": "*"}) as response:
        assert (response.status, response.headers["X-RateLimit-Remaining"]) == (304, "2")


@pytest.mark.parametrize("accepted", ["gzip", "gzip, deflate, br", "*", "identity;q=0"])
async def test_answers_are_not_compressed(client: Client, headers: dict[str, str], accepted: str) -> None:
    """A week fits into one packet with and without compression."""
    async with client.get(TARGET, headers=headers | {"Accept-Encoding": accepted}) as response:
        assert "Content-Encoding" not in response.headers
        assert await response.read() == EMPTY


@pytest.mark.parametrize(
    ("version", "connection", "told"),
    [
        ("1.1", None, None),
        ("1.1", "close", "close"),
        ("1.0", None, "close"),
        ("1.0", "keep-alive", "keep-alive"),
    ],
)
async def test_the_connection_ends_when_the_client_asks_for_it(
    client: Client, headers: dict[str, str], version: str, connection: str | None, told: str | None
) -> None:
    await ask(client, headers)
    reader, writer = await asyncio.open_connection(client.host, client.port)
    lines = [
        f"GET {TARGET} HTTP/{version}",
        "Host: x",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    lines += [f"Connection: {connection}"] * (connection is not None)
    writer.write("\r\n".join([*lines, "", ""]).encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    assert head.startswith("HTTP/1.1 200 OK\r\n")
    shown = [line.partition(": ")[2] for line in head.split("\r\n") if line.startswith("Connection")]
    assert shown == ([told] if told else [])
    assert await reader.readexactly(len(EMPTY)) == EMPTY
    if told == "close":
        assert await reader.read() == b""
    writer.close()
