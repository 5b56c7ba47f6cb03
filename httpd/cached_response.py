"""An answer that is spelled out once, for all who ask the same until it is too old."""

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
    """A response in bytes, as far as they are the same for everyone: the head's beginning, and the body."""

    status: HTTPStatus
    head: bytes
    body: bytes = b""

    @classmethod
    def of(cls, status: HTTPStatus, headers: Mapping[str, str], body: bytes) -> Self:
        """Spell an answer with a body out."""
        head = f"{_status_line(status)}Content-Length: {len(body)}\r\n{_lines(headers)}"
        return cls(status, head.encode(), body)


@dataclass(frozen=True, slots=True)
class CachedResponse:
    """A body with its headers, and what is said to who has the body already.

    The tag is strong: it is that of the body's bytes, and of `claims`, which tell how good the body is.
    """

    tag: str
    whole: WireBytes
    unchanged: WireBytes

    @classmethod
    def of(cls, body: bytes, headers: Mapping[str, str], *, claims: str = "") -> Self:
        """Spell the answer out; the headers are sent with either status."""
        tag = hashlib.sha256(claims.encode() + b"\n" + body).hexdigest()[:_TAG_DIGITS]
        said = f'{_lines(headers)}ETag: "{tag}"\r\n'
        whole = f"{_status_line(HTTPStatus.OK)}Content-Length: {len(body)}\r\n{said}"
        unchanged = f"{_status_line(HTTPStatus.NOT_MODIFIED)}{said}"
        return cls(
            tag,
            WireBytes(HTTPStatus.OK, whole.encode(), body),
            WireBytes(HTTPStatus.NOT_MODIFIED, unchanged.encode()),
        )

    def response_to(self, request: web.BaseRequest, told: str = "") -> web.StreamResponse:
        """Answer in whole, or with 304 where the client says that it has this very answer.

        `told` are lines of the head that are for this client alone, each with its end.
        """
        # Not by `if_none_match` alone: most clients send no such header, and it looks twice.
        if hdrs.IF_NONE_MATCH in request.headers and self._is_among(request.if_none_match or ()):
            return WireResponse(self.unchanged, told)
        return WireResponse(self.whole, told)

    def _is_among(self, tags: tuple[ETag, ...]) -> bool:
        # A weak tag will do: it is ours, weakened by a proxy.
        return any(tag.value in {self.tag, _ANY} for tag in tags)


class WireResponse(web.StreamResponse):
    """Sends a spelling in one piece. Its `headers` are only those that are added to it afterwards."""

    def __init__(self, wire_bytes: WireBytes, told: str) -> None:
        super().__init__(status=wire_bytes.status)
        self._wire_bytes = wire_bytes
        self._told = told
        self._request: web.BaseRequest | None = None
        self._stays: bool | None = None

    @property
    def keep_alive(self) -> bool | None:
        return self._stays

    def force_close(self) -> None:
        self._stays = False

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        self._request = request
        if self._stays is None:
            self._stays = request.keep_alive
        return request.writer

    async def write_eof(self, data: bytes = b"") -> None:
        """Send head and body at once; returns when the client has taken enough of it, as aiohttp's do."""
        request, wire_bytes = self._request, self._wire_bytes
        assert request is not None and not data  # noqa: PT018, S101  aiohttp prepares, and adds nothing
        added = _lines(self.headers) if self.headers else ""
        own = f"{self._told}{added}{_date(int(time.time()))}{self._connection(request)}\r\n"
        body = b"" if request.method == hdrs.METH_HEAD else wire_bytes.body
        await request.writer.write_eof(b"".join((wire_bytes.head, own.encode(), body)))

    def _connection(self, request: web.BaseRequest) -> str:
        if not self._stays:
            return "Connection: close\r\n"
        return "" if request.version == HttpVersion11 else "Connection: keep-alive\r\n"


def _lines(headers: Mapping[str, str]) -> str:
    return "".join([f"{name}: {value}\r\n" for name, value in headers.items()])


def _status_line(status: HTTPStatus) -> str:
    # Also for a client that speaks HTTP/1.0: a server tells its own version (RFC 9110, 2.5).
    return f"HTTP/1.1 {status.value} {status.phrase}\r\n"


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    return f"Date: {formatdate(second, usegmt=True)}\r\n"
