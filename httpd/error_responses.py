"""The error responses of the server itself, in the same form as those of the application."""

from collections.abc import Mapping
from functools import cache
from http import HTTPStatus
from typing import Final

import orjson
from aiohttp import web

from httpd.cached_response import WireBytes, WireResponse
from httpd.responses import HEADERS, ErrorResponse
from httpd.stats import Cause


def _failure(status: HTTPStatus, error: str, headers: Mapping[str, str] | None = None) -> ErrorResponse:
    return ErrorResponse(status, {"success": False, "error": error}, headers or {})


_RETRY: Final = {"Retry-After": "1"}

_RESPONSES: Final[Mapping[Cause, ErrorResponse]] = {
    Cause.TOO_MANY: _failure(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "Too many connections, please try again later [error-too-many-connections]",
        _RETRY,
    ),
    Cause.TOO_MANY_FROM_ADDRESS: _failure(
        HTTPStatus.TOO_MANY_REQUESTS,
        "Too many connections from this address, please open fewer [error-too-many-connections]",
        _RETRY,
    ),
    Cause.HEAD_TIMEOUT: _failure(
        HTTPStatus.REQUEST_TIMEOUT, "The request was not received in time [error-request-timeout]"
    ),
    Cause.HEAD_TOO_LARGE: _failure(
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        "The request line and headers are too large [error-headers-too-large]",
    ),
    Cause.BAD_HEAD: _failure(
        HTTPStatus.BAD_REQUEST, "The request is not well-formed HTTP [error-bad-request]"
    ),
    Cause.VERSION: _failure(
        HTTPStatus.HTTP_VERSION_NOT_SUPPORTED,
        "Only HTTP/1.1 and HTTP/1.0 are supported [error-http-version]",
    ),
    Cause.BODY: _failure(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The request must not have a body [error-body-not-allowed]"
    ),
    Cause.PIPELINING: _failure(
        HTTPStatus.TOO_MANY_REQUESTS,
        "Too many pipelined requests, please wait for responses [error-too-many-pipelined]",
        _RETRY,
    ),
}


def response_to(cause: Cause) -> web.StreamResponse:
    """Build the response to a cause; the connection ends after it."""
    return last_response(_RESPONSES[cause])


def last_response(error: ErrorResponse) -> web.StreamResponse:
    """Build a response after which the connection ends.

    Its version is always HTTP/1.1: aiohttp would repeat the request's, or send HTTP/1.0.
    """
    response = WireResponse(_wire_bytes(error), lines="")
    response.force_close()
    return response


def unexpected(status: int) -> ErrorResponse:
    """Return the error for a status that aiohttp sends outside the application."""
    phrase = HTTPStatus(status)
    return _failure(phrase, f"{phrase.phrase} [error-{phrase.phrase.lower().replace(' ', '-')}]")


@cache
def bytes_of(cause: Cause) -> bytes:
    """Return the whole response as bytes, for a connection without a valid request."""
    wire_bytes = _wire_bytes(_RESPONSES[cause])
    return wire_bytes.head + b"Connection: close\r\n\r\n" + wire_bytes.body


def _wire_bytes(error: ErrorResponse) -> WireBytes:
    return WireBytes.of(error.status, {**HEADERS, **error.headers}, orjson.dumps(error.body))
