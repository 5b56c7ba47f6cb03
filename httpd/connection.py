"""One connection: aiohttp's handling of it, with a timeout for everything the server waits for."""

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

_KNOWN_RESPONSES: Final = frozenset({web.Response, WireResponse})
_KEEP_ALIVE_FACTOR: Final = 2


class Connection(web.RequestHandler):
    """A `web.RequestHandler` with limits and timeouts; uses and overrides only its public methods.

    Between requests the client must send another request, or the rest of a head. It must also read what is
    sent to it. The acceptor checks the timeouts regularly: `overdue` returns the one that has expired.
    """

    __slots__ = (
        "_cause",
        "_ended",
        "_framing",
        "_is_after_upgrade",
        "_is_last",
        "_limits",
        "_on_lost",
        "_read_due",
        "_stats",
        "_time",
        "_unanswered",
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
        self._unanswered = 0  # requests that were received and are not answered yet
        self._read_due = self._write_due = inf
        self._cause = Cause.HEAD_TIMEOUT
        self._ended = False
        self._is_after_upgrade = False
        self._is_last = False
        self._wire: asyncio.Transport | None = None  # aiohttp drops its own reference when it begins to close

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._wire = cast("asyncio.Transport", transport)
        # `pause_writing` is called for any byte that is not sent at once, not only beyond 64 KiB.
        self._wire.set_write_buffer_limits(high=0)
        self._expect(Cause.HEAD_TIMEOUT, self._limits.head_seconds)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self._on_lost(self)

    def data_received(self, data: bytes) -> None:
        # aiohttp calls this itself, without data, to continue with data that it has buffered.
        if not data:
            super().data_received(data)
        elif self._accepts(data):
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
        self._unanswered -= 1
        if not self._unanswered:
            self._is_after_upgrade = False
            if not self._framing.open_bytes:
                self._expect(Cause.IDLE, self._limits.keep_alive_seconds)
        # A response of aiohttp's own, from before the middlewares. The type is checked first, since the
        # `isinstance` takes ten times as long.
        if type(resp) not in _KNOWN_RESPONSES and isinstance(resp, web.HTTPException):
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
            return last_response(unexpected(status))  # the client has disconnected: there is nothing to log
        # Called for its log line, and for the error it raises when a response has already begun. Its own
        # response is not used: it quotes the request, and names the versions of aiohttp and Python.
        super().handle_error(request, status, exc, message)
        if not isinstance(exc, HttpProcessingError):
            return last_response(unexpected(status))
        cause = self._framing.next_cause() or Cause.BAD_HEAD
        if isinstance(exc, LineTooLong):
            cause = Cause.HEAD_TOO_LARGE
        self._stats.refused[cause] += 1
        return response_to(cause)

    def next_cause(self) -> Cause | None:
        """Return why the next request must be refused for its request line, if it must."""
        return self._framing.next_cause()

    def count(self, cause: Cause) -> None:
        """Count a refused request, unless the connection is already ending for a cause that was counted."""
        if not self._ended:
            self._stats.refused[cause] += 1

    def expect_body(self) -> None:
        """Stop the timeout, since the caller has one for the body; the connection ends after this request."""
        self._is_last = True
        self._read_due = inf

    def loses_pipelined(self) -> bool:
        """Return whether aiohttp may drop requests pipelined behind this one, which asks for an upgrade.

        aiohttp buffers what follows a request for a WebSocket and parses the buffer in one go after the
        response; it drops what follows a request for any other protocol in that buffer.
        """
        is_after_upgrade, self._is_after_upgrade = self._is_after_upgrade, True
        return is_after_upgrade and self._unanswered > 1

    def overdue(self, now: float) -> Cause | None:
        """Return the timeout that the client has exceeded, if any; `now` is the event loop's time."""
        if now >= self._write_due:
            return Cause.SLOW_READER
        return self._cause if now >= self._read_due else None

    def end(self, cause: Cause) -> None:
        """End the connection and count the cause. An idle client or one that does not read gets no error."""
        self._stats.refused[cause] += 1
        if cause is Cause.SLOW_READER and self._wire is not None:
            self._wire.abort()  # closing would wait until the client has read everything
        elif cause is not Cause.IDLE and self._unanswered == 0 and self.transport is not None:
            self.transport.write(bytes_of(cause))
        self._close_soon()

    def _close_soon(self) -> None:
        self._ended = True
        self._read_due = inf
        # Closing waits for the current response and until the client has read it: both with a timeout.
        self._write_due = min(self._write_due, self._time() + self._limits.write_seconds)
        if self._unanswered:
            self.close()
        else:
            self.force_close()

    def _accepts(self, data: bytes) -> bool:
        """Check received bytes against the limits; return whether aiohttp may parse them."""
        if self._ended:
            return False
        heads = self._framing.feed(data)
        if self._is_too_large(heads):
            self.end(Cause.HEAD_TOO_LARGE)
        elif self._unanswered + heads > self._limits.pipelined_requests:
            self.end(Cause.PIPELINING)
        else:
            self._add_heads(heads)
        return not self._ended

    def _pass_on(self, data: bytes) -> None:
        # Each head separately: aiohttp drops what follows a head that asks for another protocol, and what
        # precedes a malformed one.
        start = 0
        for end in self._framing.ends:
            super().data_received(data[start:end])
            start = end
        if start < len(data):
            super().data_received(data[start:])

    def _is_too_large(self, heads: int) -> bool:
        # While a request is being answered, what looks like the next head can be that request's body: aiohttp
        # knows which, and has limits of its own.
        open_bytes = 0 if self._unanswered + heads else self._framing.open_bytes
        return self._framing.longest > self._limits.head_bytes or open_bytes > self._limits.head_bytes

    def _add_heads(self, heads: int) -> None:
        self._unanswered += heads
        if self._is_last:
            return
        if not self._framing.open_bytes:
            self._read_due = inf if heads else self._read_due
        elif heads or self._read_due == inf or self._cause is not Cause.HEAD_TIMEOUT:
            self._expect(Cause.HEAD_TIMEOUT, self._limits.head_seconds)
        # Else the timeout of the incomplete head continues: slowly arriving bytes do not extend it.

    def _expect(self, cause: Cause, seconds: float) -> None:
        self._cause = cause
        self._read_due = self._time() + seconds


def connection_of(request: web.BaseRequest) -> Connection:
    """Return the connection of a request; the server builds no other protocol."""
    connection = request.protocol
    assert isinstance(connection, Connection)  # noqa: S101  see above
    return connection


def _options(limits: Limits) -> dict[str, Any]:
    return {
        "access_log": None,  # it would contain query strings
        "logger": server_logger(),
        "max_line_size": limits.head_bytes,
        "max_field_size": limits.head_bytes,
        "max_headers": limits.headers,
        "read_bufsize": limits.head_bytes,
        "auto_decompress": False,  # bodies are dropped
        "lingering_time": 0,  # the rest of a refused body is not awaited
        # aiohttp also closes idle connections, uncounted: a fallback behind this class's own timeout.
        "keepalive_timeout": _KEEP_ALIVE_FACTOR * limits.keep_alive_seconds,
    }
