"""Error responses: unknown paths, other methods, and unavailable dependencies."""

import asyncio
from datetime import timedelta

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from structlog.testing import capture_logs
from yarl import URL

from api.errors import NoTokensError, TokensUnavailableError
from api.middlewares import answer_errors, keep_deadline
from api.routing import Access, RateLimit, Route, add_routes
from projector.views.daily import CatchingUpError, ViewUnavailableError
from tests.contract.conftest import Client
from tests.support.fakes_api import FakeTokens, FakeView

PATH = "/api/v1/engagement-dashboard/users/chat-busier/weekly-data"
TARGET = f"{PATH}?start=2023-05-19T00:00:00.000Z"

CATCHING_UP = (
    b'{"success":false,"error":'
    b'"The counters are catching up with the log, please try again later [error-catching-up]"}'
)
COUNTERS_UNAVAILABLE = (
    b'{"success":false,"error":'
    b'"The counters are temporarily unavailable, please try again later [error-counters-unavailable]"}'
)
TOKENS_UNAVAILABLE = (
    b'{"success":false,"error":'
    b'"Authentication is temporarily unavailable, please try again later [error-tokens-unavailable]"}'
)
TIMED_OUT = b'{"success":false,"error":"The request timed out, please try again later [error-timeout]"}'
INTERNAL = b'{"success":false,"error":"Internal server error [error-internal]"}'
NOT_FOUND = b'{"success":false,"error":"No route matches this path [error-not-found]"}'
NOT_ALLOWED = (
    b'{"success":false,"error":"The method is not allowed for this path [error-method-not-allowed]"}'
)

Expected = tuple[int, dict[str, str], bytes]


async def exchange(client: Client, method: str, path: str, headers: dict[str, str]) -> Expected:
    """Send a request; return status, the headers that depend on the condition, and the body."""
    url = URL(f"http://{client.host}:{client.port}{path}", encoded=True)
    async with client.session.request(method, url, headers=headers) as response:
        sent = dict(response.headers)
        body = await response.read()
    assert sent.pop("Content-Type") == "application/json"
    assert sent.pop("Cache-Control") == "private, no-cache"
    assert sent.pop("Server") == "headcount"
    assert sent.pop("Date")
    length = int(sent.pop("Content-Length"))
    assert length == len(body) or method == "HEAD"
    return response.status, sent, body


@pytest.mark.parametrize(
    ("error", "retry_after", "body"),
    [
        (CatchingUpError("partition 3 of secret-topic"), "5", CATCHING_UP),
        (ViewUnavailableError("redis://:password@10.0.0.1"), "1", COUNTERS_UNAVAILABLE),
        (TimeoutError(), "1", TIMED_OUT),
    ],
)
async def test_unavailable_counters_are_answered_503_without_numbers(
    client: Client,
    view: FakeView,
    headers: dict[str, str],
    *,
    error: Exception,
    retry_after: str,
    body: bytes,
) -> None:
    """The response has no low number, no 0 for "unknown", and no as-of instant."""
    view.error = error
    assert await exchange(client, "GET", TARGET, headers) == (503, {"Retry-After": retry_after}, body)


@pytest.mark.parametrize("error", [TokensUnavailableError("redis://:password@10.0.0.1"), NoTokensError()])
async def test_no_request_is_authenticated_while_tokens_are_unavailable(
    client: Client, tokens: FakeTokens, view: FakeView, headers: dict[str, str], error: Exception
) -> None:
    tokens.error = error
    assert await exchange(client, "GET", TARGET, headers) == (503, {"Retry-After": "1"}, TOKENS_UNAVAILABLE)
    assert view.queries == []


async def test_without_credentials_the_token_store_is_not_read(client: Client, tokens: FakeTokens) -> None:
    tokens.error = TokensUnavailableError()
    status, _, _ = await exchange(client, "GET", TARGET, {})
    assert status == 401
    assert tokens.lookups == []


@pytest.mark.parametrize("what", ["view", "tokens"])
async def test_a_request_never_hangs(
    short_deadline_client: Client, view: FakeView, tokens: FakeTokens, headers: dict[str, str], what: str
) -> None:
    view.hangs = what == "view"
    tokens.hangs = what == "tokens"
    assert await exchange(short_deadline_client, "GET", TARGET, headers) == (
        503,
        {"Retry-After": "1"},
        TIMED_OUT,
    )


async def test_each_route_has_its_own_deadline_and_a_stream_has_none() -> None:
    ready = asyncio.Event()

    async def answer_late(_request: web.Request) -> web.Response:
        await ready.wait()
        return web.Response()

    app = web.Application(middlewares=[answer_errors, keep_deadline])
    decided = (answer_late, Access.PUBLIC, RateLimit.NONE)
    add_routes(app, [Route("/", *decided, timedelta(milliseconds=1)), Route("/stream", *decided, None)])
    async with TestClient(TestServer(app)) as client, asyncio.TaskGroup() as group:
        stream = group.create_task(client.get("/stream"))
        async with client.get("/") as response:
            assert (response.status, await response.read()) == (503, TIMED_OUT)
        ready.set()
        assert (await stream).status == 200


async def test_the_next_request_is_answered_as_soon_as_the_counters_are_back(
    client: Client, view: FakeView, headers: dict[str, str]
) -> None:
    view.error = CatchingUpError()
    await exchange(client, "GET", TARGET, headers)
    view.error = None
    status, _, body = await exchange(client, "GET", TARGET, headers)
    assert (status, body) == (200, b'{"month":[],"success":true}')


async def test_an_unexpected_error_reveals_nothing_to_the_client(
    client: Client, view: FakeView, headers: dict[str, str]
) -> None:
    view.error = RuntimeError("a detail of the inside")
    with capture_logs():
        assert await exchange(client, "GET", TARGET, headers) == (500, {}, INTERNAL)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/api/v1/engagement-dashboard/users/chat-busier/hourly-data",
        f"{PATH}/",
        f"/{PATH}",
        f"{PATH}.json",
        f"{PATH}%2F",
        f"{PATH}%00",
        PATH.upper(),
        PATH.removeprefix("/api/v1"),
        "/livez/",
        "/%FF",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_paths_are_exact(client: Client, headers: dict[str, str], path: str, method: str) -> None:
    assert await exchange(client, method, path, headers) == (404, {}, NOT_FOUND)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"])
@pytest.mark.parametrize("path", [TARGET, "/livez", "/readyz"])
async def test_only_get_and_head_are_allowed(
    client: Client, headers: dict[str, str], method: str, path: str
) -> None:
    assert await exchange(client, method, path, headers) == (405, {"Allow": "GET, HEAD"}, NOT_ALLOWED)


async def test_head_of_an_unknown_path_has_no_body(client: Client) -> None:
    assert await exchange(client, "HEAD", "/nothing", {}) == (404, {}, b"")
