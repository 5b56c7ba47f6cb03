"""The fast path on a running server: behind its limits, and measured like all other requests."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import pytest

from api.app import create_app
from api.endpoints.weekly_data.contract import WEEKLY_DATA_PATH
from api.fast_path import FAST_PATH, CachedResponder
from headcount.settings import Settings
from headcount.telemetry.api_port import api_port
from headcount.wiring import configure
from httpd.server import listening
from httpd.stats import Cause, ConnectionStats
from tests.support.fakes_api import NOW, FakeTimer, FakeTokens, FakeView, make_token
from tests.support.scrapes import scrape
from tests.support.wire import Wire

EMPTY = b'{"month":[],"success":true}'
BOUNDS = {
    "http_port": 0,
    "api_metrics_port": 0,
    "http_max_pipelined_requests": 3,
    "http_max_body_bytes": 4,
}


@dataclass
class Server:
    wire: Wire
    view: FakeView
    stats: ConnectionStats
    head: str
    metrics_url: str
    fast_path: CachedResponder

    def request(self, *lines: str) -> bytes:
        return "\r\n".join([self.head, *lines, "", ""]).encode()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    token, secret = make_token()
    view, stats = FakeView(), ConnectionStats()
    config = configure(Settings.model_validate(BOUNDS))
    app = create_app(
        view=view,
        tokens=FakeTokens({token.digest: token}),
        time_zone=ZoneInfo("UTC"),
        clock=lambda: NOW,
        timer=FakeTimer(),
    )
    async with AsyncExitStack() as stack:
        metrics_url = await stack.enter_async_context(api_port(config, app, stats))
        url = await stack.enter_async_context(listening(app, config.http, stats, wrap=app[FAST_PATH].wrap))
        wire = await Wire.to(int(url.rpartition(":")[2]))
        stack.callback(wire.close)
        head = f"GET {WEEKLY_DATA_PATH}?start=2023-05-19T00:00:00.000Z HTTP/1.1\r\nHost: x\r\n"
        head += f"X-User-Id: alice\r\nX-Auth-Token: {secret}"
        assert metrics_url
        yield Server(wire, view, stats, head, metrics_url, app[FAST_PATH])


async def poll(server: Server) -> None:
    await server.wire.send(server.request())
    answer = await server.wire.answer()
    assert (answer.status, answer.body) == (200, EMPTY)


async def test_consecutive_polls_are_answered_and_measured(server: Server) -> None:
    for _ in range(4):
        await poll(server)
    assert len(server.view.queries) == 1
    shown = await scrape(server.metrics_url)
    count = "headcount_http_request_seconds_count"
    assert shown.value(count, route=WEEKLY_DATA_PATH, status="200") == 4


async def test_polls_are_answered_without_the_application(server: Server) -> None:
    noted: list[int] = []
    server.fast_path.record = lambda _route, status, _seconds: noted.append(status)
    for _ in range(4):
        await poll(server)
    assert noted == [200] * 3


async def test_pipelined_polls_are_answered_in_order(server: Server) -> None:
    await poll(server)
    await server.wire.send(server.request() + server.request("If-None-Match: *") + server.request())
    assert (await server.wire.answer()).status == 200
    assert (await server.wire.bodiless()).startswith("HTTP/1.1 304 Not Modified\r\n")
    assert (await server.wire.answer()).status == 200


async def test_too_many_pipelined_polls_are_refused(server: Server) -> None:
    await poll(server)
    await server.wire.send(server.request() * 4)
    assert (await server.wire.answer()).status == 429
    assert server.stats.refused == {Cause.PIPELINING: 1}


async def test_a_poll_with_a_body_is_refused(server: Server) -> None:
    await poll(server)
    await server.wire.send(server.request("Content-Length: 5") + b"12345")
    assert (await server.wire.last_answer()).status == 413
    assert server.stats.refused == {Cause.BODY: 1}
