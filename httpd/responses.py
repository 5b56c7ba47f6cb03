"""The form of all responses: compact JSON without a charset, not stored by shared caches."""

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
        # The token is sent in a header that shared caches do not treat as a credential.
        "Cache-Control": "private, no-cache",
        # Replaces aiohttp's own, which names the versions of aiohttp and Python.
        "Server": "headcount",
    }
)
"""The headers of every response."""


def json_response(
    body: object, *, status: HTTPStatus = HTTPStatus.OK, headers: Mapping[str, str] = _NO_HEADERS
) -> web.Response:
    """Build a response whose body is byte for byte what JavaScript's `JSON.stringify` prints."""
    return web.Response(
        body=orjson.dumps(body),
        status=status,
        headers={**HEADERS, **headers},
    )
