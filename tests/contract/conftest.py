"""A running API on fakes, and its client."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from ipaddress import ip_network
from zoneinfo import ZoneInfo

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from api.app import create_app
from api.auth.admission import ClientLimits
from api.fast_path import FAST_PATH
from httpd.server_log import server_logger
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
from tests.support.waiting import scaled

Client = TestClient[web.Request, web.Application]
Serve = Callable[[web.Application], Awaitable[Client]]


@pytest.fixture
def view() -> FakeView:
    return FakeView()


@pytest.fixture
def tokens() -> FakeTokens:
    return FakeTokens()


@pytest.fixture
def headers(tokens: FakeTokens) -> dict[str, str]:
    """Return the login of alice in the workspace acme, who may view the dashboard."""
    token, secret = make_token()
    tokens.by_digest[token.digest] = token
    return login(token.user_id, secret)


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    async with AsyncExitStack() as stack:

        async def start(app: web.Application) -> Client:
            server = TestServer(app)
            await server.start_server(access_log=None, logger=server_logger())
            server.handler.request_handler = app[FAST_PATH].wrap(server.handler.request_handler)
            return await stack.enter_async_context(TestClient(server))

        yield start


@pytest.fixture
def timer() -> FakeTimer:
    return FakeTimer()


@pytest.fixture
def app(view: FakeView, tokens: FakeTokens, timer: FakeTimer) -> web.Application:
    return _app(view, tokens, timer, timedelta(minutes=1))


@pytest.fixture
async def client(serve: Serve, app: web.Application) -> Client:
    return await serve(app)


@pytest.fixture
def limiter() -> FakeLimiter:
    return FakeLimiter()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def limited_client(
    serve: Serve,
    view: FakeView,
    tokens: FakeTokens,
    *,
    limiter: FakeLimiter,
    clock: FakeClock,
    timer: FakeTimer,
) -> Client:
    """A client of an API that limits a token to 3 requests a minute, and an address to 2 failed logins."""
    app = create_app(
        view=view,
        tokens=tokens,
        time_zone=ZoneInfo("UTC"),
        clock=clock,
        timer=timer,
        limits=ClientLimits(
            requests=limiter, failed_logins_per_minute=2, trusted_proxies=(ip_network("127.0.0.0/8"),)
        ),
    )
    return await serve(app)


@pytest.fixture
async def short_deadline_client(serve: Serve, view: FakeView, tokens: FakeTokens, timer: FakeTimer) -> Client:
    """A client of an API whose deadline is short enough to wait for."""
    return await serve(_app(view, tokens, timer, timedelta(seconds=scaled(0.4))))


def _app(view: FakeView, tokens: FakeTokens, timer: FakeTimer, deadline: timedelta) -> web.Application:
    return create_app(
        view=view,
        tokens=tokens,
        time_zone=ZoneInfo("UTC"),
        clock=lambda: NOW,
        timer=timer,
        limits=ClientLimits(deadline=deadline),
    )
