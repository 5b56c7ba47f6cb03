"""Checks of every request before the application: what aiohttp's parser should refuse, and its body."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import HttpVersion10, HttpVersion11, hdrs, web

from httpd.connection import Connection, connection_of
from httpd.error_responses import response_to
from httpd.limits import Limits
from httpd.stats import Cause

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

BodyLimitOf = Callable[[str], int | None]
"""Returns the body limit in bytes of a path; None for the configured one, `Limits.body_bytes`."""

# RFC 9112, section 3.2 refers to RFC 3986, section 3.2: an address in brackets or a name, and a port.
_HOST: Final = re.compile(r"(?:\[[0-9A-Za-z:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]*)(?::[0-9]*)?")
_CONTINUE: Final = "100-continue"


def check_requests(handle: Handler) -> Handler:
    """Wrap a server's handler: a malformed request is refused, and the connection ends."""

    async def refuse(connection: Connection, cause: Cause) -> web.StreamResponse:
        connection.count(cause)
        return response_to(cause)

    async def answer_last(request: web.BaseRequest) -> web.StreamResponse:
        response = await handle(request)
        response.force_close()
        return response

    def answer(request: web.BaseRequest) -> Awaitable[web.StreamResponse]:
        connection = connection_of(request)
        cause = connection.next_cause() or _malformed(request)
        if cause is not None:
            return refuse(connection, cause)
        # What follows a CONNECT is meant for the tunnel, which was refused: never parse it as a request.
        if request.method == hdrs.METH_CONNECT or (
            hdrs.UPGRADE in request.headers and connection.loses_pipelined()
        ):
            return answer_last(request)
        return handle(request)

    return answer


def _malformed(request: web.BaseRequest) -> Cause | None:
    # RFC 9112, section 3.2: 400. The parser checks that there is exactly one Host header.
    if not _HOST.fullmatch(request.headers.get(hdrs.HOST, "")):
        return Cause.BAD_HEAD
    # HTTP/1.0 has no chunked encoding: RFC 9112, section 6.1, calls the framing faulty.
    if request.version == HttpVersion10 and hdrs.TRANSFER_ENCODING in request.headers:
        return Cause.BAD_HEAD
    return None


def limit_bodies(handle: Handler, limits: Limits, body_limit_of: BodyLimitOf) -> Handler:
    """Wrap a server's handler: a body within its path's limit is read and dropped, a larger one is refused.

    Either way the connection ends after the response. Some clients send `{}` with a GET; their body is read
    before the response, since closing a connection while its client still sends resets it and loses the
    response.
    """

    async def answer_without_body(request: web.BaseRequest) -> web.StreamResponse:
        connection = connection_of(request)
        connection.expect_body()
        route_limit = body_limit_of(request.rel_url.raw_path)
        body_bytes = limits.body_bytes if route_limit is None else route_limit
        cause = await _drop_body(request, body_bytes, timeout_seconds=limits.head_seconds)
        if cause is not None:
            connection.count(cause)
            return response_to(cause)
        response = await handle(request)
        # Only aiohttp's parser knows where the body ends; `RequestFraming` does not depend on it.
        response.force_close()
        return response

    def answer(request: web.BaseRequest) -> Awaitable[web.StreamResponse]:
        # aiohttp takes whatever follows a CONNECT for its body; that connection ends in any case.
        if request.body_exists and request.method != hdrs.METH_CONNECT:
            return answer_without_body(request)
        return handle(request)

    return answer


async def _drop_body(request: web.BaseRequest, body_bytes: int, *, timeout_seconds: float) -> Cause | None:
    """Read the body to its end; return why the request must be refused, if it must."""
    if body_bytes == 0 or (request.content_length or 0) > body_bytes:
        return Cause.BODY
    expectation = request.headers.get(hdrs.EXPECT, _CONTINUE).lower()
    if expectation != _CONTINUE:
        return None  # answered 417; the client sends no body before that
    try:
        async with asyncio.timeout(timeout_seconds):
            return await _read_to_end(request, body_bytes)
    except TimeoutError:
        return Cause.HEAD_TIMEOUT
    except web.RequestPayloadError:
        return Cause.BAD_HEAD
    except ConnectionError:
        return None  # the client has disconnected; sending the response fails silently


async def _read_to_end(request: web.BaseRequest, body_bytes: int) -> Cause | None:
    if hdrs.EXPECT in request.headers and request.version == HttpVersion11:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # the response itself has not begun
    size = 0
    async for piece in request.content.iter_any():
        size += len(piece)
        if size > body_bytes:
            return Cause.BODY
    return None
