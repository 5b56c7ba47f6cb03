"""The endpoint compared with each row of the contract: bodies, headers, the order of the checks."""

import asyncio
import re
from datetime import UTC, date, datetime, timedelta, timezone
from urllib.parse import quote
from zoneinfo import ZoneInfo

import pytest
from multidict import CIMultiDict

from api.app import create_app
from projector.views.daily import ESTIMATE_STANDARD_ERROR
from tests.contract.conftest import Client, Serve
from tests.support.fakes_api import NOW, FakeTokens, FakeView, login, make_token

PATH = "/api/v1/engagement-dashboard/users/chat-busier/weekly-data"
START = "2023-05-19T00:00:00.000Z"

NOT_LOGGED_IN = b'{"status":"error","message":"You must be logged in to do this."}'
NOT_PERMITTED = (
    b'{"success":false,"error":'
    b'"User does not have the permissions required for this action [error-unauthorized]"}'
)
START_MISSING = b'{"success":false,"error":"Match error: Missing key \'start\'"}'
START_MALFORMED = b'{"success":false,"error":"Match error: Failed Match.Where validation in field start"}'


def body(*rows: bytes) -> bytes:
    return b'{"month":[%s],"success":true}' % b",".join(rows)


def row(users: int, day: int, month: int, year: int) -> bytes:
    return b'{"users":%d,"day":%d,"month":%d,"year":%d}' % (users, day, month, year)


def at(start: str) -> str:
    return f"{PATH}?start={quote(start, safe='')}"


async def answer(client: Client, headers: dict[str, str], path: str = at(START)) -> tuple[int, bytes]:
    async with client.get(path, headers=headers) as response:
        assert response.headers["Content-Type"] == "application/json"
        return response.status, await response.read()


async def test_the_published_example(client: Client, view: FakeView, headers: dict[str, str]) -> None:
    """Newest first, days without users omitted, the oldest row seven days before `start`."""
    view.counts = {("acme", date(2023, 5, day)): users for day, users in {12: 4, 16: 1, 19: 3, 11: 9}.items()}
    assert await answer(client, headers) == (
        200,
        body(row(3, 19, 5, 2023), row(1, 16, 5, 2023), row(4, 12, 5, 2023)),
    )


async def test_a_week_over_the_turn_of_the_year(
    client: Client, view: FakeView, headers: dict[str, str]
) -> None:
    view.counts = {("acme", date(2023, 12, 31)): 1, ("acme", date(2024, 1, 1)): 1_000_000}
    assert await answer(client, headers, at("2024-01-01T23:59:59.999Z")) == (
        200,
        body(row(1_000_000, 1, 1, 2024), row(1, 31, 12, 2023)),
    )


async def test_a_week_without_users_is_an_empty_list(client: Client, headers: dict[str, str]) -> None:
    assert await answer(client, headers) == (200, body())


async def test_one_read_for_eight_days_of_the_tokens_workspace(
    client: Client, view: FakeView, headers: dict[str, str]
) -> None:
    """The query cannot name a workspace; a key that tries to is ignored."""
    await answer(client, headers, f"{at(START)}&workspace_id=other")
    assert view.queries == [("acme", tuple(date(2023, 5, day) for day in range(19, 11, -1)))]


async def test_all_headers_of_an_answer(client: Client, headers: dict[str, str]) -> None:
    async with client.get(at(START), headers=headers) as response:
        sent = dict(response.headers)
    assert sent.pop("Date")
    assert re.fullmatch('"[0-9a-f]{32}"', sent.pop("Etag"))  # the spelling of aiohttp's client
    assert sent == {
        "Content-Type": "application/json",
        "Content-Length": "27",
        "Cache-Control": "private, no-cache",
        "Server": "headcount",
        "Vary": "X-Auth-Token, X-User-Id",
        "X-Headcount-As-Of": "2023-05-19T18:30:00.000Z",
        "X-Headcount-Precision": "exact",
    }


async def test_the_precision_is_that_of_the_least_precise_day(
    client: Client, view: FakeView, headers: dict[str, str]
) -> None:
    view.standard_error = ESTIMATE_STANDARD_ERROR
    async with client.get(at(START), headers=headers) as response:
        assert response.headers["X-Headcount-Precision"] == "0.0081"


async def test_the_bytes_on_the_wire(client: Client, headers: dict[str, str]) -> None:
    """Without a client library: exactly one Content-Type in this form, and the body to the last byte."""
    reader, writer = await asyncio.open_connection(client.host, client.port)
    lines = [f"GET {at(START)} HTTP/1.1", "Host: x", "Connection: close"]
    lines += [f"{name.lower()}: {value}" for name, value in headers.items()]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    head, _, received = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    status, *sent = head.split(b"\r\n")
    assert status == b"HTTP/1.1 200 OK"
    assert [line for line in sent if b"content-type" in line.lower()] == [b"Content-Type: application/json"]
    assert received == b'{"month":[],"success":true}'


@pytest.mark.parametrize(
    ("instant", "told"),
    [
        (datetime(2023, 5, 19, 18, 30, 0, 0, UTC), "2023-05-19T18:30:00.000Z"),
        (datetime(2023, 5, 19, 18, 30, 59, 999_999, UTC), "2023-05-19T18:30:59.999Z"),
        (datetime(2023, 12, 31, 23, 59, 59, 999_500, UTC), "2023-12-31T23:59:59.999Z"),
        (datetime(2023, 5, 19, 18, 30, 0, 1_000, UTC), "2023-05-19T18:30:00.001Z"),
        (datetime(2023, 5, 19, 18, 30, tzinfo=timezone(timedelta(hours=2))), "2023-05-19T16:30:00.000Z"),
    ],
)
async def test_as_of_is_in_utc_and_never_rounded_up(
    client: Client, view: FakeView, headers: dict[str, str], instant: datetime, told: str
) -> None:
    view.instant = instant
    async with client.get(at(START), headers=headers) as response:
        assert response.headers["X-Headcount-As-Of"] == told


@pytest.mark.parametrize(
    "names", [("x-auth-token", "x-user-id"), ("X-AUTH-TOKEN", "X-USER-ID"), ("X-aUtH-tOkEn", "x-User-ID")]
)
async def test_header_names_are_case_insensitive(
    client: Client, headers: dict[str, str], names: tuple[str, str]
) -> None:
    sent = {names[0]: headers["X-Auth-Token"], names[1]: headers["X-User-Id"]}
    assert await answer(client, sent) == (200, body())


async def test_a_user_of_many_workspaces_gets_the_one_of_the_token(
    client: Client, view: FakeView, tokens: FakeTokens
) -> None:
    view.counts = {("acme", date(2023, 5, 19)): 1, ("umbrella", date(2023, 5, 19)): 2}
    token, secret = make_token(workspace_id="umbrella")
    tokens.by_digest[token.digest] = token
    assert await answer(client, login("alice", secret)) == (200, body(row(2, 19, 5, 2023)))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"X-Auth-Token": None}, id="no token"),
        pytest.param({"X-User-Id": None}, id="no user"),
        pytest.param({"X-Auth-Token": None, "X-User-Id": None}, id="neither"),
        pytest.param({"X-Auth-Token": ""}, id="empty token"),
        pytest.param({"X-User-Id": ""}, id="empty user"),
        pytest.param({"X-Auth-Token": "unknown"}, id="unknown token"),
        pytest.param({"X-User-Id": "bob"}, id="another user"),
        pytest.param({"X-User-Id": "ALICE"}, id="user in capitals"),
        pytest.param({"X-User-Id": "älice"}, id="user outside of ASCII"),
        pytest.param({"X-Auth-Token": "tökén"}, id="token outside of ASCII"),
        pytest.param({"X-Auth-Token": "x" * 5000}, id="endless token"),
        pytest.param({"X-User-Id": "x" * 5000}, id="endless user"),
    ],
)
async def test_every_failed_login_gets_the_same_body(
    client: Client, view: FakeView, headers: dict[str, str], change: dict[str, str | None]
) -> None:
    changed = {name: value for name, value in (headers | change).items() if value is not None}
    assert await answer(client, changed) == (401, NOT_LOGGED_IN)
    assert view.queries == []


@pytest.mark.parametrize("expires_at", [NOW, NOW - timedelta(microseconds=1), NOW - timedelta(days=900)])
async def test_an_expired_token_is_answered_like_a_missing_one(
    client: Client, tokens: FakeTokens, expires_at: datetime
) -> None:
    token, secret = make_token(expires_at=expires_at)
    tokens.by_digest[token.digest] = token
    assert await answer(client, login("alice", secret)) == (401, NOT_LOGGED_IN)


async def test_a_token_is_valid_until_the_instant_it_expires(client: Client, tokens: FakeTokens) -> None:
    token, secret = make_token(expires_at=NOW + timedelta(microseconds=1))
    tokens.by_digest[token.digest] = token
    assert await answer(client, login("alice", secret)) == (200, body())


async def test_every_failed_login_gets_the_same_headers(
    client: Client, tokens: FakeTokens, headers: dict[str, str]
) -> None:
    expired, expired_secret = make_token(expires_at=NOW)
    tokens.by_digest[expired.digest] = expired
    answers = set()
    for sent in (
        {},
        login("alice", "unknown"),
        login("alice", expired_secret),
        headers | {"X-User-Id": "bob"},
    ):
        async with client.get(at(START), headers=sent) as response:
            kept = tuple(item for item in response.headers.items() if item[0] != "Date")
            answers.add((response.status, kept, await response.read()))
    assert len(answers) == 1


@pytest.mark.parametrize("name", ["X-Auth-Token", "X-User-Id"])
@pytest.mark.parametrize("second", ["other", None])
async def test_a_credential_sent_twice_is_refused(
    client: Client, headers: dict[str, str], name: str, second: str | None
) -> None:
    """Even if both are equal: a proxy in front of the API may have checked the other one."""
    sent = CIMultiDict(headers)
    sent.add(name, second or headers[name])
    async with client.get(at(START), headers=sent) as response:
        assert (response.status, await response.read()) == (401, NOT_LOGGED_IN)


@pytest.mark.parametrize("permissions", [(), ("view-statistics",), ("VIEW-ENGAGEMENT-DASHBOARD",)])
async def test_a_user_without_the_permission(
    client: Client, tokens: FakeTokens, view: FakeView, permissions: tuple[str, ...]
) -> None:
    token, secret = make_token(permissions=permissions)
    tokens.by_digest[token.digest] = token
    assert await answer(client, login("alice", secret)) == (403, NOT_PERMITTED)
    assert view.queries == []


@pytest.mark.parametrize("query", ["", "?", "?end=2023-05-19T00:00:00.000Z", "?Start=x", "?start%20=x"])
async def test_start_absent(client: Client, headers: dict[str, str], query: str) -> None:
    assert await answer(client, headers, f"{PATH}{query}") == (400, START_MISSING)


@pytest.mark.parametrize(
    "query",
    [
        "start",
        "start=",
        "start=2023-05-19",
        "start=2023-05-19T00:00:00Z",
        "start=2023-05-19T00:00:00.000%2B00:00",
        "start=2023-02-30T00:00:00.000Z",
        "start=2023-05-19T24:00:00.000Z",
        "start=%2B012345-05-19T00:00:00.000Z",
        "start=%00",
        "start=%FF%FE",
        "start=%F0%9F%98%80",
        f"start={START}&start={START}",
        f"start={START}&start=",
        f"start=&start={START}",
        f"start={START}%0A",
        f"start=%20{START}",
        f"start={START}%20",
        f"start={START}+",
        f"start={START};",
    ],
)
async def test_start_not_in_the_accepted_form(
    client: Client, view: FakeView, headers: dict[str, str], query: str
) -> None:
    assert await answer(client, headers, f"{PATH}?{query}") == (400, START_MALFORMED)
    assert view.queries == []


@pytest.mark.parametrize(
    "query",
    [
        f"start={START}",
        f"start={quote(START, safe='')}",
        f"%73tart={START}",
        f"start={START}&end=x&x=1&x=2&&=",
        f"a=b&start={START}",
        f"start={START}#fragment",
    ],
)
async def test_unknown_keys_and_other_encodings_of_the_url_are_accepted(
    client: Client, headers: dict[str, str], query: str
) -> None:
    assert await answer(client, headers, f"{PATH}?{query}") == (200, body())


async def test_authentication_comes_before_permission_and_permission_before_the_query(
    client: Client, tokens: FakeTokens
) -> None:
    """Three errors, then two, then one: each check applies only after the earlier ones pass."""
    token, secret = make_token(permissions=())
    tokens.by_digest[token.digest] = token
    assert await answer(client, {}, PATH) == (401, NOT_LOGGED_IN)
    assert await answer(client, login("alice", secret), PATH) == (403, NOT_PERMITTED)
    allowed, allowed_secret = make_token()
    tokens.by_digest[allowed.digest] = allowed
    assert await answer(client, login("alice", allowed_secret), PATH) == (400, START_MISSING)


async def test_head_sends_the_headers_of_get_and_no_body(client: Client, headers: dict[str, str]) -> None:
    for path, sent in ((at(START), headers), (PATH, headers), (PATH, {})):
        async with client.get(path, headers=sent) as got, client.head(path, headers=sent) as headed:
            assert headed.status == got.status
            assert {**headed.headers, "Date": ""} == {**got.headers, "Date": ""}
            assert int(headed.headers["Content-Length"]) == len(await got.read())
            assert await headed.read() == b""


@pytest.mark.parametrize("start", ["0000-01-01T00:00:00.000Z", "0000-02-29T23:59:59.999Z"])
async def test_the_year_0_is_an_instant_for_javascript_and_has_no_days_here(
    client: Client, headers: dict[str, str], start: str
) -> None:
    assert await answer(client, headers, at(start)) == (200, body())


@pytest.mark.parametrize(
    ("zone", "start", "days"),
    [
        ("UTC", "0001-01-01T00:00:00.000Z", [date(1, 1, 1)]),
        ("UTC", "9999-12-31T23:59:59.999Z", [date(9999, 12, day) for day in range(31, 23, -1)]),
        ("Asia/Kathmandu", "0000-12-31T23:59:59.999Z", [date(1, 1, 1)]),
        ("Asia/Kathmandu", "9999-12-31T23:59:59.999Z", [date(9999, 12, day) for day in range(31, 24, -1)]),
        ("America/St_Johns", "0001-01-01T00:00:00.000Z", []),
    ],
)
async def test_windows_beyond_the_years_1_and_9999_are_clipped(  # noqa: PLR0913  a fixture each, and the row
    serve: Serve,
    view: FakeView,
    tokens: FakeTokens,
    headers: dict[str, str],
    *,
    zone: str,
    start: str,
    days: list[date],
) -> None:
    app = create_app(view=view, tokens=tokens, time_zone=ZoneInfo(zone), clock=lambda: NOW)
    status, _ = await answer(await serve(app), headers, at(start))
    assert status == 200
    assert view.queries == [("acme", tuple(days))]


async def test_start_is_read_in_the_deployments_zone(
    serve: Serve, view: FakeView, tokens: FakeTokens, headers: dict[str, str]
) -> None:
    """19:00 in UTC is 00:45 of the next day in Kathmandu."""
    view.counts = {("acme", date(2023, 5, 20)): 5, ("acme", date(2023, 5, 12)): 7}
    app = create_app(view=view, tokens=tokens, time_zone=ZoneInfo("Asia/Kathmandu"), clock=lambda: NOW)
    assert await answer(await serve(app), headers, at("2023-05-19T19:00:00.000Z")) == (
        200,
        body(row(5, 20, 5, 2023)),
    )
