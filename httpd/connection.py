"""One connection: aiohttp's own handling of it, with an end to whatever a client can keep it waiting for."""

import asyncio
from collections.abc import Callable, Coroutine
from math import inf
from typing import Any, Final, cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong

from httpd.cached_response import WireResponse
from httpd.error_responses import bytes_of, last_response, response_to, unexpected
from httpd.limits import Limits
from httpd.request_framing import RequestFraming
from httpd.server_log import server_logger
from httpd.stats import Cause, ConnectionStats

_OUR_RESPONSES: Final = frozenset({web.Response, WireResponse})
_SECOND_LINE: Final = 2


class Connection(web.RequestHandler):
    """What `web.RequestHandler` is, bounded; only what is public of it is used or overridden.

    Between requests one thing is due of the client: another request, or the rest of a head. What goes out is
    to be taken. Somebody else looks at the clock: `overdue` says what the client did not do in time.
    """

    __slots__ = (
        "_cause",
        "_due",
        "_ended",
        "_framing",
        "_is_after_upgrade",
        "_is_last",
        "_limits",
        "_on_lost",
        "_stats",
        "_time",
        "_waiting",
        "_wire",
        "_write_due",
    )

    def __init__(
        self,
        server: web.Server,
        limits: Limits,
        stats: ConnectionStats,
        on_lost: Callable[["Connection"], None],
    ) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(server, loop=loop, **_options(limits))
        self._time = loop.time
        self._limits = limits
        self._stats = stats
        self._on_lost = on_lost
        self._framing = RequestFraming()
        self._waiting = 0  # requests that came in and are not answered yet
        self._due = self._write_due = inf
        self._cause = Cause.HEAD_TIMEOUT
        self._ended = False
        self._is_after_upgrade = False
        self._is_last = False
        self._wire: asyncio.Transport | None = None  # aiohttp's own forgets it when it begins to close

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._wire = cast("asyncio.Transport", transport)
        # Any byte that the network does not take at once is noticed, not only 64 KiB of them.
        self._wire.set_write_buffer_limits(high=0)
        self._expect(Cause.HEAD_TIMEOUT, self._limits.head_seconds)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self._on_lost(self)

    def data_received(self, data: bytes) -> None:
        # aiohttp calls this itself, without data, to go on with what it has put off.
        if not data:
            super().data_received(data)
        elif self._follow(data):
            self._pass_on(data)

    def pause_writing(self) -> None:
        self._write_due = self._time() + self._limits.write_seconds
        super().pause_writing()

    def resume_writing(self) -> None:
        self._write_due = inf
        super().resume_writing()

    def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> Coroutine[Any, Any, tuple[web.StreamResponse, bool]]:
        self._waiting -= 1
        if not self._waiting:
            self._is_after_upgrade = False
            if not self._framing.open_bytes:
                self._expect(Cause.IDLE, self._limits.keep_alive_seconds)
        # aiohttp's own, from before the middlewares. In two steps, since the second takes ten times as long.
        if type(resp) not in _OUR_RESPONSES and isinstance(resp, web.HTTPException):
            resp = last_response(unexpected(resp.status))
        return super().finish_response(request, resp, start_time)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if isinstance(exc, ConnectionError):
            return last_response(unexpected(status))  # the client has gone: there is nothing to log
        # For its log line, and for the error it raises when an answer has already begun. Its response
        # quotes what was not understood, and names aiohttp's version and Python's.
        super().handle_error(request, status, exc, message)
        if not isinstance(exc, HttpProcessingError):
            return last_response(unexpected(status))
        cause = self._framing.next_cause() or Cause.BAD_HEAD
        if isinstance(exc, LineTooLong):
            cause = Cause.HEAD_TOO_LARGE
        self._stats.refused[cause] += 1
        return response_to(cause)

    def next_cause(self) -> Cause | None:
        """Say why the request that is handled next must be refused for its request line, if it must."""
        return self._framing.next_cause()

    def count(self, cause: Cause) -> None:
        """Count why a request is refused, unless the connection ends already for a cause that is counted."""
        if not self._ended:
            self._stats.refused[cause] += 1

    def expect_body(self) -> None:
        """Leave the deadline to the caller: a body follows, and the connection ends after its request."""
        self._is_last = True
        self._due = inf

    def loses_pipelined(self) -> bool:
        """Say whether aiohttp may drop what was sent behind this request, which asks for another protocol.

        It keeps what follows a request for a WebSocket, parses that in one go once the request is answered,
        and drops what follows a request for any other protocol in there.
        """
        is_after_upgrade, self._is_after_upgrade = self._is_after_upgrade, True
        return is_after_upgrade and self._waiting > 1

    def overdue(self, now: float) -> Cause | None:
        """Say what the client has not done in time, if anything; `now` is the loop's time."""
        if now >= self._write_due:
            return Cause.SLOW_READER
        return self._cause if now >= self._due else None

    def end(self, cause: Cause) -> None:
        """End the connection and count why; the client is told, unless it is idle or does not read."""
        self._stats.refused[cause] += 1
        if cause is Cause.SLOW_READER and self._wire is not None:
            self._wire.abort()  # closing would wait for what the client does not take
        elif cause is not Cause.IDLE and self._waiting == 0 and self.transport is not None:
            self.transport.write(bytes_of(cause))
        self._close_soon()

    def _close_soon(self) -> None:
        self._ended = True
        self._due = inf
        # A close waits for the answer in work, and for what is written to be taken: neither for ever.
        self._write_due = min(self._write_due, self._time() + self._limits.write_seconds)
        if self._waiting:
            self.close()
        else:
            self.force_close()

    def _follow(self, data: bytes) -> bool:
        """Account for the bytes, and say whether aiohttp may have them."""
        if self._ended:
            return False
        heads = self._framing.feed(data)
        if self._is_too_large(heads):
            self.end(Cause.HEAD_TOO_LARGE)
        elif self._waiting + heads > self._limits.pipelined_requests:
            self.end(Cause.PIPELINING)
        else:
            self._await_rest(heads)
        return not self._ended

    def _pass_on(self, data: bytes) -> None:
        # Each head by itself: aiohttp drops what stands behind a head that asks for another protocol, and
        # what stands before one that it does not understand.
        start = 0
        for end in self._framing.ends:
            super().data_received(data[start:end])
            start = end
        if start < len(data):
            super().data_received(data[start:])

    def _is_too_large(self, heads: int) -> bool:
        # While a request is in work, what seems to be the next head can be that request's body: aiohttp can
        # tell, and has bounds of its own.
        open_bytes = 0 if self._waiting + heads else self._framing.open_bytes
        return self._framing.longest > self._limits.head_bytes or open_bytes > self._limits.head_bytes

    def _await_rest(self, heads: int) -> None:
        self._waiting += heads
        if self._is_last:
            return
        if not self._framing.open_bytes:
            self._due = inf if heads else self._due
        elif heads or self._due == inf or self._cause is not Cause.HEAD_TIMEOUT:
            self._expect(Cause.HEAD_TIMEOUT, self._limits.head_seconds)
        # Else the head that is open goes on, and bytes that drip in win it no time.

    def _expect(self, cause: Cause, seconds: float) -> None:
        self._cause = cause
        self._due = self._time() + seconds


def connection_of(request: web.BaseRequest) -> Connection:
    """Return what serves the request; the server builds no other protocol."""
    connection = request.protocol
    assert isinstance(connection, Connection)  # noqa: S101  see above
    return connection


def _options(limits: Limits) -> dict[str, Any]:
    return {
        "access_log": None,  # it would hold query strings
        "logger": server_logger(),
        "max_line_size": limits.head_bytes,
        "max_field_size": limits.head_bytes,
        "max_headers": limits.headers,
        "read_bufsize": limits.head_bytes,
        "auto_decompress": False,  # nothing reads a body
        "lingering_time": 0,  # nor waits for the rest of one
        # It closes idle connections too, without telling: the second line, behind ours.
        "keepalive_timeout": _SECOND_LINE * limits.keep_alive_seconds,
    }
