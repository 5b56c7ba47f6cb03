"""The bound of a request's body, which no route takes: a small one is dropped, a larger one refused."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import HttpVersion11, hdrs, web

from httpd.connection import connection_of
from httpd.error_responses import response_to
from httpd.limits import Limits
from httpd.stats import Cause

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

_CONTINUE: Final = "100-continue"


def limit_bodies(handle: Handler, limits: Limits) -> Handler:
    """Wrap a server's handler: a body beyond the bound is refused, and the connection ends after every body.

    Some clients send `{}` with a GET. Their body is awaited before the answer: a connection that is closed
    while its client still sends is reset, and the answer lost.
    """

    async def answer_without_body(request: web.BaseRequest) -> web.StreamResponse:
        connection = connection_of(request)
        connection.expect_body()
        cause = await _drop_body(request, limits)
        if cause is not None:
            connection.count(cause)
            return response_to(cause)
        response = await handle(request)
        # Where the body ends is for the parser to know: framing never depends on it.
        response.force_close()
        return response

    def answer(request: web.BaseRequest) -> Awaitable[web.StreamResponse]:
        # To aiohttp, whatever follows a CONNECT is its body; the connection ends there in any case.
        if request.body_exists and request.method != hdrs.METH_CONNECT:
            return answer_without_body(request)
        return handle(request)

    return answer


async def _drop_body(request: web.BaseRequest, limits: Limits) -> Cause | None:
    """Read the body to its end; return why the request must be refused, if it must."""
    announced = request.content_length
    if limits.body_bytes == 0 or (announced or 0) > limits.body_bytes:
        return Cause.BODY
    expectation = request.headers.get(hdrs.EXPECT, _CONTINUE).lower()
    if expectation != _CONTINUE:
        return None  # it is answered 417, and the client sends no body before that
    try:
        async with asyncio.timeout(limits.head_seconds):
            await _invite(request)
            return await _read_to_end(request, limits.body_bytes)
    except TimeoutError:
        return Cause.HEAD_TIMEOUT
    except web.RequestPayloadError:
        return Cause.BAD_HEAD
    except ConnectionError:
        return None  # the client has gone: sending it the answer fails without a word


async def _read_to_end(request: web.BaseRequest, body_bytes: int) -> Cause | None:
    size = 0
    async for piece in request.content.iter_any():
        size += len(piece)
        if size > body_bytes:
            return Cause.BODY
    return None


async def _invite(request: web.BaseRequest) -> None:
    if hdrs.EXPECT in request.headers and request.version == HttpVersion11:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # the answer has not begun
