"""Malformed requests: refused on the fast path and the ordinary one, as RFC 9110 and RFC 9112 require."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import pytest

from api.app import create_app
from api.endpoints.weekly_data.contract import WEEKLY_DATA_PATH
from api.fast_path import FAST_PATH
from headcount.settings import Settings
from headcount.wiring import configure
from httpd.server import listening
from httpd.stats import Cause, ConnectionStats
from tests.support.fakes_api import NOW, FakeTimer, FakeTokens, FakeView, make_token
from tests.support.waiting import wait_until
from tests.support.wire import Wire

POLL = f"{WEEKLY_DATA_PATH}?start=2023-05-19T00:00:00.000Z"
COUNTS = b'{"month":[],"success":true}'
ALIVE = b'{"alive":true}'
UNSUPPORTED = "Only HTTP/1.1 and HTTP/1.0 are supported [error-http-version]"
MALFORMED = "The request is not well-formed HTTP [error-bad-request]"


@dataclass
class Api:
    """An API whose fast path answers `POLL`, and the headers of a login to it."""

    login: str
    stats: ConnectionStats
    fast: list[int]
    connect: Callable[[], Awaitable[Wire]]

    def request(self, line: str, *headers: str) -> bytes:
        return "\r\n".join([line, *(headers or ("Host: x",)), self.login, "", ""]).encode()


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    token, secret = make_token()
    stats = ConnectionStats()
    config = configure(Settings.model_validate({"http_port": 0}))
    app = create_app(
        view=FakeView(),
        tokens=FakeTokens({token.digest: token}),
        time_zone=ZoneInfo("UTC"),
        clock=lambda: NOW,
        timer=FakeTimer(),
    )
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(listening(app, config.http, stats, wrap=app[FAST_PATH].wrap))

        async def connect() -> Wire:
            wire = await Wire.to(int(url.rpartition(":")[2]))
            stack.callback(wire.close)
            return wire

        fast: list[int] = []
        app[FAST_PATH].record = lambda _route, status, _seconds: fast.append(status)
        api = Api(f"X-User-Id: alice\r\nX-Auth-Token: {secret}", stats, fast, connect)
        wire = await connect()
        for _ in range(2):
            await wire.send(api.request(f"GET {POLL} HTTP/1.1"))
            assert (await wire.answer()).body == COUNTS
        assert fast == [200]
        fast.clear()
        yield api


async def refused(api: Api, *sent: bytes) -> tuple[str, str]:
    """Send the pieces; return the status line and the error of the only response, which is the last."""
    wire = await api.connect()
    for piece in sent:
        await wire.send(piece)
    answer = await wire.last_answer()
    assert (answer.headers["content-type"], answer.headers["connection"]) == ("application/json", "close")
    assert not api.fast
    return answer.status_line, answer.error


@pytest.mark.parametrize("path", [POLL, "/livez"])
@pytest.mark.parametrize(
    "version", ["HTTP/2.0", "HTTP/0.9", "HTTP/3.0", "HTTP/1.2", "HTTP/2", "HTTP/11.1", "HTTP/1.10"]
)
async def test_another_version_of_http_is_answered_505_in_http_1_1(api: Api, path: str, version: str) -> None:
    got = await refused(api, api.request(f"GET {path} {version}"))
    assert got == ("HTTP/1.1 505 HTTP Version Not Supported", UNSUPPORTED)
    assert api.stats.refused == {Cause.VERSION: 1}


async def test_the_preface_of_http_2_is_answered_505_and_leaves_no_trace(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        got = await refused(api, b"PRI * HTTP/2.0\r\n\r\nopensesame\r\n\r\n")
    assert got == ("HTTP/1.1 505 HTTP Version Not Supported", UNSUPPORTED)
    assert (api.stats.refused, caplog.text) == ({Cause.VERSION: 1}, "")


@pytest.mark.parametrize("path", [POLL, "/livez"])
@pytest.mark.parametrize(
    "line",
    [
        "GET {} RTSP/1.0",
        "DESCRIBE {} RTSP/1.0",
        "SOURCE {} ICE/1.0",
        "GET {} http/1.1",
        "GET {} HTTP/1.1 ",
        "GET {} HTTP/",
        "GET {}",
        "GET  {} HTTP/1.1",
        "GET {}  HTTP/1.1",
        "GET\t{}\tHTTP/1.1",
        " GET {} HTTP/1.1",
        "GET {}#fragment HTTP/1.1",
        "get {} HTTP/1.1",
        "GET test:80 HTTP/1.1",
        "GET * HTTP/1.1",
    ],
)
async def test_another_request_line_is_answered_400_in_http_1_1(api: Api, path: str, line: str) -> None:
    got = await refused(api, api.request(line.format(path)))
    assert got == ("HTTP/1.1 400 Bad Request", MALFORMED)
    assert api.stats.refused == {Cause.BAD_HEAD: 1}


@pytest.mark.parametrize("path", [POLL, "/livez"])
@pytest.mark.parametrize(
    "headers",
    [
        ["X: y"],
        ["Host: x", "Host: x"],
        ["Host: x", "Host: y"],
        ["Host: a b"],
        ["Host: a, b"],
        ["Host: user@x"],
        ["Host: x/y"],
        ["Host: x:http"],
        ["Host: [::1"],
        ["Host: x", "Content-Length: 0", "Content-Length: 0"],
        ["Host: x", "Content-Length: 0, 0"],
        ["Host: x", "Content-Length: +0"],
        ["Host: x", "Content-Length: -1"],
        ["Host: x", "Content-Length:"],
        ["Host: x", "Content-Length: 0", "Transfer-Encoding: chunked"],
        ["Host: x", "Transfer-Encoding: identity"],
        ["Host: x", "Transfer-Encoding: chunked, identity"],
        ["Host: x", "Transfer-Encoding : chunked"],
        ["Host: x", "X: folded\r\n line"],
        ["Host: x\nX: y"],
        ["Host: x", "X: y\rZ: z"],
        ["Host: x", "no colon"],
        ["Host: x", "two words: x"],
        ["Host: x", ": no name"],
    ],
)
async def test_a_malformed_header_is_answered_400(api: Api, path: str, headers: list[str]) -> None:
    got = await refused(api, api.request(f"GET {path} HTTP/1.1", *headers))
    assert got == ("HTTP/1.1 400 Bad Request", MALFORMED)


@pytest.mark.parametrize("path", [POLL, "/livez"])
async def test_chunks_in_http_1_0_are_answered_400(api: Api, path: str) -> None:
    sent = api.request(f"GET {path} HTTP/1.0", "Transfer-Encoding: chunked") + b"0\r\n\r\n"
    assert await refused(api, sent) == ("HTTP/1.1 400 Bad Request", MALFORMED)


@pytest.mark.parametrize(
    "line",
    [
        f"GET {POLL} HTTP/1.1",
        f"GET http://x{POLL} HTTP/1.1",
        f"GET https://another:443{POLL} HTTP/1.1",
        f"\r\nGET {POLL} HTTP/1.1",
    ],
)
@pytest.mark.parametrize(
    "host", ["x", "x:8080", "", "[::1]:8080", "127.0.0.1", "xn--bcher-kva.example.", "under_score", "%41"]
)
async def test_every_form_that_the_rfc_requires_is_answered(api: Api, line: str, host: str) -> None:
    wire = await api.connect()
    for _ in range(2):
        await wire.send(api.request(line, f"Host: {host}"))
        assert (await wire.answer()).body == COUNTS
    assert api.fast == [200, 200]


@pytest.mark.parametrize("method", ["TRACE", "POST", "PUT", "DELETE", "PROPFIND"])
async def test_another_method_is_answered_405(api: Api, method: str) -> None:
    wire = await api.connect()
    await wire.send(api.request(f"{method} {POLL} HTTP/1.1"))
    assert (await wire.answer()).status == 405


@pytest.mark.parametrize("bad", ["GET /livez RTSP/1.0", "GET /livez HTTP/2.0", "BREW / HTTP/1.1"])
async def test_requests_before_a_malformed_one_are_answered_first(api: Api, bad: str) -> None:
    wire = await api.connect()
    await wire.send(api.request(f"GET {POLL} HTTP/1.1") * 2 + api.request(bad))
    assert [(await wire.answer()).body for _ in range(2)] == [COUNTS] * 2
    assert (await wire.last_answer()).status in {400, 505}


@pytest.mark.parametrize("protocol", ["h2c", "websocket", "TLS/1.0", "foo"])
@pytest.mark.parametrize("path", [POLL, "/livez"])
async def test_a_request_behind_one_for_another_protocol_is_answered(
    api: Api, path: str, protocol: str
) -> None:
    wire = await api.connect()
    asks = api.request(f"GET {path} HTTP/1.1", "Host: x", "Connection: Upgrade", f"Upgrade: {protocol}")
    plain = api.request(f"GET {POLL} HTTP/1.1")
    for _ in range(2):
        await wire.send(asks + plain * 2)
        bodies = [(await wire.answer()).body for _ in range(3)]
        assert bodies == [COUNTS if path == POLL else ALIVE, COUNTS, COUNTS]


@pytest.mark.parametrize("cut", [1, 2, 3])
async def test_it_is_answered_however_the_bytes_are_cut(api: Api, cut: int) -> None:
    wire, other = await api.connect(), await api.connect()
    asks = api.request(f"GET {POLL} HTTP/1.1", "Host: x", "Connection: Upgrade", "Upgrade: h2c")
    plain = api.request(f"GET {POLL} HTTP/1.1")
    await wire.send(asks[:-cut])
    await other.send(plain)
    await other.answer()  # so the server has read the first piece
    await wire.send(asks[-cut:] + plain)
    assert [(await wire.answer()).body for _ in range(2)] == [COUNTS] * 2


async def test_a_request_lost_behind_two_upgrades_ends_the_connection(
    api: Api,
) -> None:
    wire = await api.connect()
    asks = [
        api.request(f"GET {POLL} HTTP/1.1", "Host: x", "Connection: Upgrade", f"Upgrade: {protocol}")
        for protocol in ("websocket", "h2c")
    ]
    await wire.send(b"".join(asks) + api.request(f"GET {POLL} HTTP/1.1"))
    assert "connection" not in (await wire.answer()).headers
    assert (await wire.last_answer()).headers["connection"] == "close"
    await wait_until(lambda: api.stats.open == 1, message="the connection was lost")


async def test_nothing_behind_a_connect_is_parsed_as_a_request(api: Api) -> None:
    wire = await api.connect()
    await wire.send(api.request("CONNECT x:80 HTTP/1.1") + api.request(f"GET {POLL} HTTP/1.1"))
    answer = await wire.last_answer()
    assert (answer.status, answer.headers["connection"]) == (404, "close")
