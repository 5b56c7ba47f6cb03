"""The limits of connections: each at a small value, on real sockets."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest
from aiohttp import web

from headcount.settings import Settings
from headcount.wiring import configure
from httpd.request_checks import BodyLimitOf
from httpd.server import default_body_limit, listening
from httpd.stats import Cause, ConnectionStats
from tests.support.waiting import scaled, wait_until
from tests.support.wire import Wire

GET = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"
GET_SLOW = b"GET /slow HTTP/1.1\r\nHost: test\r\n\r\n"
GET_LARGE = b"GET /large HTTP/1.1\r\nHost: test\r\n\r\n"
LARGE = b"x" * 16_000_000  # more than the sockets of both sides buffer


@dataclass
class Server:
    """A server with one set of limits, and its statistics."""

    port: int
    stats: ConnectionStats
    at_work: asyncio.Event  # /slow was requested
    go_on: asyncio.Event  # /slow may answer
    stack: AsyncExitStack

    async def connect(self, source: str = "127.0.0.1") -> Wire:
        wire = await Wire.to(self.port, source=source)
        self.stack.callback(wire.close)
        return wire


Serve = Callable[..., Awaitable[Server]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Start servers: `await serve(http_max_connections=3)`; limits not given are too high to be reached."""
    async with AsyncExitStack() as stack:

        async def start(*, body_limit_of: BodyLimitOf = default_body_limit, **bounds: object) -> Server:
            at_work, go_on = asyncio.Event(), asyncio.Event()
            stats = ConnectionStats()
            # The limits are close to what a well-behaved client needs.
            scaled_bounds = {name: _scaled(name, bound) for name, bound in bounds.items()}
            config = configure(Settings.model_validate({"http_port": 0} | scaled_bounds))
            url = await stack.enter_async_context(
                listening(_app(at_work, go_on), config.http, stats, body_limit_of=body_limit_of)
            )
            return Server(int(url.rpartition(":")[2]), stats, at_work, go_on, stack)

        yield start


def _scaled(name: str, bound: object) -> object:
    return scaled(bound) if name.endswith("_seconds") and isinstance(bound, float | int) else bound


def _app(at_work: asyncio.Event, go_on: asyncio.Event) -> web.Application:
    async def quick(_request: web.Request) -> web.Response:
        return web.Response(text="quick")

    async def slow(_request: web.Request) -> web.Response:
        at_work.set()
        await go_on.wait()
        return web.Response(text="slow")

    async def large(_request: web.Request) -> web.Response:
        return web.Response(body=LARGE)

    app = web.Application()
    app.add_routes([web.get("/", quick), web.get("/slow", slow), web.get("/large", large)])
    return app


async def test_a_slowly_sent_head_has_a_timeout(serve: Serve) -> None:
    server = await serve(http_head_timeout_seconds=0.3)
    wire = await server.connect()
    ending = asyncio.create_task(wire.last_answer())

    async def drip() -> bool:
        await wire.send(b"x")
        return ending.done()

    await wire.send(b"GET /")
    await wait_until(drip, message="the server ended the connection")
    answer = ending.result()
    assert (answer.status, answer.error) == (
        408,
        "The request was not received in time [error-request-timeout]",
    )
    assert server.stats.refused == {Cause.HEAD_TIMEOUT: 1}


@pytest.mark.parametrize("sent", [b"", b"\r\n", b"\r\n\r\n\r\n\r\n"])
async def test_the_timeout_of_the_first_head_starts_with_the_connection(serve: Serve, sent: bytes) -> None:
    server = await serve(http_head_timeout_seconds=0.2)
    wire = await server.connect()
    await wire.send(sent)
    assert (await wire.last_answer()).status == 408


async def test_a_later_head_has_a_timeout_too(serve: Serve) -> None:
    server = await serve(http_head_timeout_seconds=0.2)
    wire = await server.connect()
    await wire.send(GET + GET[:10])
    assert (await wire.answer()).status == 200
    assert (await wire.last_answer()).status == 408


async def test_the_current_response_is_sent_before_a_slow_head_ends_the_connection(serve: Serve) -> None:
    server = await serve(http_head_timeout_seconds=0.2)
    wire = await server.connect()
    await wire.send(GET_SLOW + b"GET")
    await wait_until(lambda: server.stats.refused[Cause.HEAD_TIMEOUT], message="the head timed out")
    server.go_on.set()
    assert (await wire.last_answer()).body == b"slow"


async def test_no_timeout_ends_a_request_that_is_being_answered(serve: Serve) -> None:
    server = await serve(http_head_timeout_seconds=0.1, http_write_timeout_seconds=0.1)
    wire, other = await server.connect(), await server.connect()
    await wire.send(GET_SLOW)
    assert (await other.last_answer()).status == 408  # connected later, and already timed out
    server.go_on.set()
    assert (await wire.answer()).body == b"slow"
    await wire.send(GET)
    assert (await wire.answer()).body == b"quick"


async def test_idle_connections_are_closed(serve: Serve) -> None:
    server = await serve(http_keep_alive_seconds=0.2)
    wires = [await server.connect() for _ in range(3)]
    for wire in wires * 2:
        await wire.send(GET)
        assert (await wire.answer()).body == b"quick"
    assert await asyncio.gather(*(wire.rest() for wire in wires)) == [b"", b"", b""]
    assert server.stats == ConnectionStats(open=0, refused=Counter({Cause.IDLE: 3}))


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"x" * 1_100 + b" HTTP/1.1\r\nHost: test\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: test\r\nX: " + b"x" * 1_100 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: test\r\n" + b"X: xxxxxxxxxxx\r\n" * 70 + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: test\r\n" + b"X: xxxxxxxxxxx\r\n" * 10_000,  # incomplete
        GET + b"GET / HTTP/1.1\r\nHost: test\r\nX: " + b"x" * 1_100 + b"\r\n\r\n",
    ],
    ids=["line", "header", "headers", "endless", "second"],
)
async def test_an_oversize_head_is_refused(serve: Serve, head: bytes) -> None:
    server = await serve(http_max_head_bytes=1_024)
    wire = await server.connect()
    await wire.send(head)
    answer = await wire.last_answer()
    assert answer.status == 431
    assert answer.error == "The request line and headers are too large [error-headers-too-large]"
    assert server.stats.refused == {Cause.HEAD_TOO_LARGE: 1}


async def test_a_head_of_exactly_the_maximum_size_is_served(serve: Serve) -> None:
    server = await serve(http_max_head_bytes=1_024)
    wire = await server.connect()
    before, after = b"GET / HTTP/1.1\r\nHost: test\r\nX: ", b"\r\n\r\n"
    await wire.send(before + b"x" * (1_024 - len(before)) + after)
    assert (await wire.answer()).status == 200


async def test_too_many_headers_are_refused(serve: Serve) -> None:
    server = await serve(http_max_headers=10)
    wire = await server.connect()
    await wire.send(b"GET / HTTP/1.1\r\nHost: test\r\n" + b"X: x\r\n" * 11 + b"\r\n")
    assert (await wire.last_answer()).status == 400


@pytest.mark.parametrize(
    "body",
    [
        b"Content-Length: 2\r\n\r\n{}",
        b"Content-Length: 1000000000\r\n\r\n{",
        b"Transfer-Encoding: chunked\r\n\r\n",
        b"Content-Length: 100000\r\n\r\n" + b"x" * 90_000,
        b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n",
    ],
)
async def test_a_body_on_a_get_is_refused_unread(serve: Serve, body: bytes) -> None:
    server = await serve(http_max_body_bytes=0)
    wire = await server.connect()
    await wire.send(b"GET / HTTP/1.1\r\nHost: test\r\n" + body)
    answer = await wire.last_answer()
    assert (answer.status, answer.error) == (413, "The request must not have a body [error-body-not-allowed]")
    assert server.stats.refused == {Cause.BODY: 1}


async def test_an_empty_body_is_not_a_body(serve: Serve) -> None:
    wire = await (await serve()).connect()
    for _ in range(2):
        await wire.send(b"GET / HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n")
        assert (await wire.answer()).status == 200


BODY = b"x" * 100
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "body",
    [
        b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
        b"Content-Type: application/json\r\n" + CHUNKED + b"2\r\n{}\r\n0\r\n\r\n",
        CHUNKED + b"1;of=one\r\n{\r\n1\r\n}\r\n0\r\nX-Trailer: x\r\n\r\n",
        CHUNKED + b"0\r\n\r\n",
        b"Content-Length: 100\r\n\r\n" + BODY,
        CHUNKED + b"64\r\n" + BODY + b"\r\n0\r\n\r\n",
    ],
    ids=["json", "json in chunks", "trailer", "no chunk", "just the size", "just the size in chunks"],
)
@pytest.mark.parametrize("in_pieces", [False, True])
async def test_a_small_body_is_dropped_and_the_connection_ends_after_the_answer(
    serve: Serve, body: bytes, *, in_pieces: bool
) -> None:
    server = await serve(http_max_body_bytes=100)
    wire, other = await server.connect(), await server.connect()
    data = b"GET / HTTP/1.1\r\nHost: test\r\n" + body
    for cut in range(len(data) - 8, len(data)) if in_pieces else ():
        await wire.send(data[:cut] if cut == len(data) - 8 else data[cut - 1 : cut])
        await other.send(GET)
        await other.answer()  # so that the server has read the piece
    await wire.send(data[-1:] if in_pieces else data)
    answer = await wire.last_answer()
    assert (answer.body, answer.headers["connection"]) == (b"quick", "close")
    assert not server.stats.refused


async def test_nothing_behind_a_body_is_parsed_as_a_request(serve: Serve) -> None:
    server = await serve()
    wire = await server.connect()
    await wire.send(b"GET / HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\n\r\n{}" + GET_SLOW)
    assert (await wire.last_answer()).body == b"quick"
    assert not server.at_work.is_set()


@pytest.mark.parametrize(
    "body",
    [
        b"Content-Length: 101\r\n\r\n",
        CHUNKED + b"65\r\n" + BODY + b"x",
        CHUNKED + b"64\r\n" + BODY + b"\r\n1\r\nx",
        CHUNKED + b"ffffffff\r\n" + BODY + b"x",
    ],
)
async def test_a_body_beyond_the_limit_is_refused_before_its_end(serve: Serve, body: bytes) -> None:
    server = await serve(http_max_body_bytes=100)
    wire = await server.connect()
    await wire.send(b"GET / HTTP/1.1\r\nHost: test\r\n" + body)
    answer = await wire.last_answer()
    assert (answer.status, answer.error) == (413, "The request must not have a body [error-body-not-allowed]")
    assert server.stats.refused == {Cause.BODY: 1}


@pytest.mark.parametrize(("path", "status"), [(b"/", 413), (b"/slow", 200)])
async def test_a_path_may_have_its_own_body_limit(serve: Serve, path: bytes, status: int) -> None:
    server = await serve(http_max_body_bytes=1, body_limit_of={"/slow": 2}.get)
    server.go_on.set()
    wire = await server.connect()
    await wire.send(b"GET " + path + b" HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\n\r\n{}")
    assert (await wire.last_answer()).status == status


@pytest.mark.parametrize(
    "body",
    [
        b"Content-Length: 2\r\n\r\n{",
        b"Content-Length: 2\r\n\r\n",
        CHUNKED + b"2\r\n{}\r\n",
        CHUNKED + b"0\r\nX: y\r\n",
        CHUNKED + b"zz\r\n",
    ],
)
async def test_a_small_body_has_the_timeout_of_a_head(serve: Serve, body: bytes) -> None:
    server = await serve(http_head_timeout_seconds=0.2)
    wire = await server.connect()
    await wire.send(b"GET / HTTP/1.1\r\nHost: test\r\n" + body)
    assert (await wire.last_answer()).status == 408
    assert server.stats.refused == {Cause.HEAD_TIMEOUT: 1}


@pytest.mark.parametrize("expectation", [b"", b"Expect: 100-continue\r\n"])
async def test_a_client_that_disconnects_during_its_body_is_neither_counted_nor_logged(
    serve: Serve, caplog: pytest.LogCaptureFixture, expectation: bytes
) -> None:
    server = await serve()
    wire = await server.connect()
    await wire.send(b"GET / HTTP/1.1\r\nHost: test\r\n" + expectation + b"Content-Length: 2\r\n\r\n{")
    wire.close()
    await wait_until(lambda: server.stats.open == 0, message="the connection was lost")
    assert (server.stats.refused, caplog.text) == ({}, "")


async def test_expect_100_continue_is_answered(serve: Serve) -> None:
    wire = await (await serve()).connect()
    await wire.send(b"GET / HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    assert await wire.bodiless() == "HTTP/1.1 100 Continue\r\n\r\n"
    await wire.send(b"{}")
    while (head := await wire.bodiless()).startswith("HTTP/1.1 100 "):
        pass
    assert head.startswith("HTTP/1.1 200 OK\r\n")


async def test_pipelined_requests_are_answered_in_order(serve: Serve) -> None:
    server = await serve(http_max_pipelined_requests=3)
    wire = await server.connect()
    server.go_on.set()
    await wire.send(GET + GET_SLOW + GET)
    assert [(await wire.answer()).body for _ in range(3)] == [b"quick", b"slow", b"quick"]
    await wire.send(GET)
    assert (await wire.answer()).body == b"quick"


async def test_a_flood_of_pipelined_requests_is_refused(serve: Serve) -> None:
    server = await serve(http_max_pipelined_requests=3)
    wire = await server.connect()
    await wire.send(GET * 1_000)
    answer = await wire.last_answer()
    assert answer.status == 429
    assert answer.error.endswith("[error-too-many-pipelined]")
    assert server.stats.refused == {Cause.PIPELINING: 1}


async def test_only_the_current_response_is_sent_before_a_flood_ends_the_connection(serve: Serve) -> None:
    server = await serve(http_max_pipelined_requests=3)
    wire = await server.connect()
    await wire.send(GET_SLOW)
    await server.at_work.wait()
    await wire.send(GET * 3)
    await wait_until(lambda: server.stats.refused[Cause.PIPELINING], message="the flood was noticed")
    other = await server.connect()
    for _ in range(5):  # it continues, and is no longer read
        await wire.send(GET * 20)
        await other.send(GET)
        await other.answer()
    server.go_on.set()
    assert (await wire.last_answer()).body == b"slow"
    assert server.stats.refused == {Cause.PIPELINING: 1}


async def test_an_oversize_head_is_refused_after_the_current_response(serve: Serve) -> None:
    server = await serve(http_max_head_bytes=1_024)
    wire, other = await server.connect(), await server.connect()
    await wire.send(GET_SLOW)
    await server.at_work.wait()
    await wire.send(b"GET / HTTP/1.1\r\nHost: test\r\nX: " + b"x" * 2_000)
    await other.send(GET)
    await other.answer()  # so that the server has read both
    server.go_on.set()
    assert (await wire.answer()).body == b"slow"
    assert (await wire.last_answer()).status == 431
    assert server.stats.refused == {Cause.HEAD_TOO_LARGE: 1}


async def test_a_refused_connection_does_not_wait_for_ever_for_its_current_response(
    serve: Serve,
) -> None:
    server = await serve(http_write_timeout_seconds=0.2, http_max_pipelined_requests=1)
    wire = await server.connect()
    await wire.send(GET_SLOW)
    await server.at_work.wait()
    await wire.send(GET)
    assert await wire.rest() == b""
    await wait_until(lambda: server.stats.open == 0, message="the connection was lost")
    server.go_on.set()  # else the shutdown would wait for the handler


async def test_one_address_is_limited_and_others_are_served(serve: Serve) -> None:
    server = await serve(http_max_connections_per_address=3)
    other = await server.connect("127.0.0.2")
    flood = [await server.connect() for _ in range(20)]
    answers = await asyncio.gather(*(wire.last_answer() for wire in flood[3:]))
    assert {(answer.status, answer.headers["retry-after"]) for answer in answers} == {(429, "1")}
    for wire in (other, await server.connect("127.0.0.2"), flood[0]):
        await wire.send(GET)
        assert (await wire.answer()).status == 200
    assert server.stats == ConnectionStats(open=5, refused=Counter({Cause.TOO_MANY_FROM_ADDRESS: 17}))


async def test_closed_connections_of_an_address_are_no_longer_counted(serve: Serve) -> None:
    server = await serve(http_max_connections_per_address=1)
    for _ in range(3):
        wire = await server.connect()
        await wire.send(GET)
        assert (await wire.answer()).status == 200
        wire.close()
        await wait_until(lambda: server.stats.open == 0, message="the connection was lost")


async def test_all_addresses_together_have_a_limit(serve: Serve) -> None:
    server = await serve(http_max_connections=3)
    for number in range(1, 4):
        await server.connect(f"127.0.0.{number}")
    answer = await (await server.connect("127.0.0.4")).last_answer()
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert answer.error == "Too many connections, please try again later [error-too-many-connections]"
    assert server.stats == ConnectionStats(open=3, refused=Counter({Cause.TOO_MANY: 1}))


async def test_a_trusted_proxy_has_no_limit_of_its_own_but_is_counted(serve: Serve) -> None:
    server = await serve(
        http_max_connections=3, http_max_connections_per_address=1, trusted_proxies="127.0.0.0/30"
    )
    for _ in range(3):
        wire = await server.connect("127.0.0.2")
        await wire.send(GET)
        assert (await wire.answer()).status == 200
    assert (await (await server.connect("127.0.0.2")).last_answer()).status == 503


async def test_a_client_that_does_not_read_is_dropped(serve: Serve) -> None:
    server = await serve(http_write_timeout_seconds=0.3, http_keep_alive_seconds=0.1)
    wire = await server.connect()
    await wire.send(GET_LARGE + GET)
    await wait_until(lambda: server.stats.open == 0, message="the connection was dropped")
    assert server.stats.refused == {Cause.SLOW_READER: 1}
    assert len(await wire.rest()) < len(LARGE)


async def test_a_client_that_reads_gets_a_large_response_and_the_next(serve: Serve) -> None:
    server = await serve(http_head_timeout_seconds=2, http_write_timeout_seconds=1.5)
    wire, other = await server.connect(), await server.connect()
    await wire.send(GET_LARGE)
    assert (await wire.answer()).body == LARGE
    assert (await other.last_answer()).status == 408  # by now the large response would have timed out
    await wire.send(GET)
    assert (await wire.answer()).body == b"quick"


@pytest.mark.parametrize(
    "sent",
    [
        b"BREW / HTTP/1.1\r\nHost: opensesame\r\n\r\n",
        b"GET /opensesame HTTP/1.1 opensesame\r\n\r\n",
        b"GET / HTTP/1.1\nHost: opensesame\n\n",
        b"GET / HTTP/1.1\r\nopensesame\r\n\r\n",
        b"GET / HTTP/1.1\r\nX-Auth-Token: opensesame\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: test\r\nX-Auth-Token: opensesame\x01\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: test\r\nContent-Length: opensesame\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00opensesame",
    ],
)
async def test_malformed_http_gets_a_json_error_and_is_not_logged(
    serve: Serve, caplog: pytest.LogCaptureFixture, sent: bytes
) -> None:
    server = await serve()
    wire = await server.connect()
    with caplog.at_level(logging.INFO):
        await wire.send(sent)
        answer = await wire.last_answer()
    assert answer.status == 400
    assert answer.body == (
        b'{"success":false,"error":"The request is not well-formed HTTP [error-bad-request]"}'
    )
    assert (answer.headers["content-type"], answer.headers["server"]) == ("application/json", "headcount")
    assert (server.stats.refused, caplog.text) == ({Cause.BAD_HEAD: 1}, "")


@pytest.mark.parametrize(
    ("sent", "status", "error"),
    [
        (b"DELETE / HTTP/1.1\r\nHost: test\r\n\r\n", 405, "Method Not Allowed [error-method-not-allowed]"),
        (b"CONNECT test:1 HTTP/1.1\r\nHost: test\r\n\r\n", 404, "Not Found [error-not-found]"),
        (b"OPTIONS * HTTP/1.1\r\nHost: test\r\n\r\n", 404, "Not Found [error-not-found]"),
        (
            b"GET / HTTP/1.1\r\nHost: test\r\nExpect: opensesame\r\n\r\n",
            417,
            "Expectation Failed [error-expectation-failed]",
        ),
    ],
)
async def test_responses_of_aiohttp_itself_are_json_errors(
    serve: Serve, sent: bytes, status: int, error: str
) -> None:
    wire = await (await serve()).connect()
    await wire.send(sent)
    answer = await wire.last_answer()
    assert (answer.status, answer.error) == (status, error)
    assert (answer.headers["content-type"], answer.headers["server"]) == ("application/json", "headcount")


async def test_http_1_0_is_answered_and_the_connection_ends(serve: Serve) -> None:
    wire = await (await serve()).connect()
    await wire.send(b"GET / HTTP/1.0\r\n\r\n")
    assert (await wire.last_answer()).body == b"quick"


async def test_an_upgrade_is_not_made(serve: Serve) -> None:
    server = await serve()
    wire = await server.connect()
    await wire.send(
        b"GET / HTTP/1.1\r\nHost: test\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n" + GET
    )
    assert [(await wire.answer()).body for _ in range(2)] == [b"quick", b"quick"]


async def test_a_refused_connection_leaves_nothing_in_memory(serve: Serve) -> None:
    server = await serve(http_max_connections=1)
    kept = await server.connect()
    for _ in range(50):
        assert (await (await server.connect()).last_answer()).status == 503
    await kept.send(GET)
    assert (await kept.answer()).status == 200
    assert server.stats.open == 1
