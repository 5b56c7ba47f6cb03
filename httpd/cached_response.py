"""Responses as bytes: rendered once and sent to any number of clients."""

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import Final, Self

from aiohttp import ETag, HttpVersion11, hdrs, web
from aiohttp.abc import AbstractStreamWriter

_ANY: Final = "*"
_TAG_DIGITS: Final = 32


@dataclass(frozen=True, slots=True)
class WireBytes:
    """The bytes of a response that are the same for all clients: the beginning of the head, and the body."""

    status: HTTPStatus
    head: bytes
    body: bytes = b""

    @classmethod
    def of(cls, status: HTTPStatus, headers: Mapping[str, str], body: bytes) -> Self:
        """Render a response with a body."""
        head = f"{_status_line(status)}Content-Length: {len(body)}\r\n{_header_lines(headers)}"
        return cls(status, head.encode(), body)


@dataclass(frozen=True, slots=True)
class CachedResponse:
    """A body with its headers, and the 304 response for clients that already have the body.

    The ETag is strong: it is a hash of the body's bytes and of `claims`, which state the body's precision.
    """

    tag: str
    whole: WireBytes
    unchanged: WireBytes

    @classmethod
    def of(cls, body: bytes, headers: Mapping[str, str], *, claims: str = "") -> Self:
        """Render both responses; the headers are sent with either status."""
        tag = hashlib.sha256(claims.encode() + b"\n" + body).hexdigest()[:_TAG_DIGITS]
        common = f'{_header_lines(headers)}ETag: "{tag}"\r\n'
        whole = f"{_status_line(HTTPStatus.OK)}Content-Length: {len(body)}\r\n{common}"
        unchanged = f"{_status_line(HTTPStatus.NOT_MODIFIED)}{common}"
        return cls(
            tag,
            WireBytes(HTTPStatus.OK, whole.encode(), body),
            WireBytes(HTTPStatus.NOT_MODIFIED, unchanged.encode()),
        )

    def response_to(self, request: web.BaseRequest, lines: str = "") -> web.StreamResponse:
        """Return the whole response, or 304 if the client has this body already.

        `lines` are lines of the head for this client only, each with its line end.
        """
        # `if_none_match` alone would be slower: most clients do not send the header, and it looks twice.
        if hdrs.IF_NONE_MATCH in request.headers and self._is_among(request.if_none_match or ()):
            return WireResponse(self.unchanged, lines)
        return WireResponse(self.whole, lines)

    def _is_among(self, tags: tuple[ETag, ...]) -> bool:
        # A weak tag matches too: a proxy that transforms the body marks the tag as weak.
        return any(tag.value in {self.tag, _ANY} for tag in tags)


class WireResponse(web.StreamResponse):
    """Sends `WireBytes` in one write. Its `headers` are only those that are added afterwards."""

    def __init__(self, wire_bytes: WireBytes, lines: str) -> None:
        super().__init__(status=wire_bytes.status)
        self._wire_bytes = wire_bytes
        self._client_lines = lines
        self._request: web.BaseRequest | None = None
        self._keeps_alive: bool | None = None

    @property
    def keep_alive(self) -> bool | None:
        return self._keeps_alive

    def force_close(self) -> None:
        self._keeps_alive = False

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        self._request = request
        if self._keeps_alive is None:
            self._keeps_alive = request.keep_alive
        return request.writer

    async def write_eof(self, data: bytes = b"") -> None:
        """Send head and body in one write; returns once enough was sent, as aiohttp's responses do."""
        request, wire_bytes = self._request, self._wire_bytes
        assert request is not None and not data  # noqa: PT018, S101  aiohttp calls `prepare` first, and passes no data
        added = _header_lines(self.headers) if self.headers else ""
        own = f"{self._client_lines}{added}{_date(int(time.time()))}{self._connection(request)}\r\n"
        body = b"" if request.method == hdrs.METH_HEAD else wire_bytes.body
        await request.writer.write_eof(b"".join((wire_bytes.head, own.encode(), body)))

    def _connection(self, request: web.BaseRequest) -> str:
        if not self._keeps_alive:
            return "Connection: close\r\n"
        return "" if request.version == HttpVersion11 else "Connection: keep-alive\r\n"


def _header_lines(headers: Mapping[str, str]) -> str:
    return "".join([f"{name}: {value}\r\n" for name, value in headers.items()])


def _status_line(status: HTTPStatus) -> str:
    # Also for an HTTP/1.0 client: a server sends its own version (RFC 9110, section 2.5).
    return f"HTTP/1.1 {status.value} {status.phrase}\r\n"


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    return f"Date: {formatdate(second, usegmt=True)}\r\n"
