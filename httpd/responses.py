"""The form every response has: compact JSON, without a charset, kept by no shared cache."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from types import MappingProxyType
from typing import Final

import orjson
from aiohttp import web


@dataclass(frozen=True, slots=True)
class ErrorResponse:
    """The status, JSON body and headers that report one error to a client."""

    status: HTTPStatus
    body: Mapping[str, object]
    headers: Mapping[str, str] = field(default_factory=dict)


_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})
HEADERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Content-Type": "application/json",
        # The token travels in a header that caches do not know to be a credential.
        "Cache-Control": "private, no-cache",
        # Instead of aiohttp's own, which tells its version and Python's.
        "Server": "headcount",
    }
)
"""Those of every answer."""


def json_response(
    body: object, *, status: HTTPStatus = HTTPStatus.OK, headers: Mapping[str, str] = _NO_HEADERS
) -> web.Response:
    """Build a response whose body is, byte for byte, what JavaScript's `JSON.stringify` would print."""
    return web.Response(
        body=orjson.dumps(body),
        status=status,
        headers={**HEADERS, **headers},
    )
