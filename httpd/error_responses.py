"""How a client is told why its connection ends: in the form of every other error of the API."""

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


_LATER: Final = {"Retry-After": "1"}

_ANSWERS: Final[Mapping[Cause, ErrorResponse]] = {
    Cause.TOO_MANY: _failure(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "Too many connections, please try again later [error-too-many-connections]",
        _LATER,
    ),
    Cause.TOO_MANY_FROM_ADDRESS: _failure(
        HTTPStatus.TOO_MANY_REQUESTS,
        "Too many connections from your address, please use fewer [error-too-many-connections]",
        _LATER,
    ),
    Cause.HEAD_TIMEOUT: _failure(
        HTTPStatus.REQUEST_TIMEOUT, "The request did not arrive in time [error-request-timeout]"
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
        "Only HTTP/1.1 and HTTP/1.0 are served here [error-http-version]",
    ),
    Cause.BODY: _failure(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Requests take no body [error-body-not-allowed]"
    ),
    Cause.PIPELINING: _failure(
        HTTPStatus.TOO_MANY_REQUESTS,
        "Too many requests were sent without waiting for their answers [error-too-many-pipelined]",
        _LATER,
    ),
}


def response_to(cause: Cause) -> web.StreamResponse:
    """Build the answer for aiohttp to send; the connection ends after it."""
    return last_response(_ANSWERS[cause])


def last_response(answer: ErrorResponse) -> web.StreamResponse:
    """Build an answer that the connection ends after.

    Its version is HTTP/1.1 whatever the request's was: aiohttp would repeat that one, or say HTTP/1.0.
    """
    response = WireResponse(_wire_bytes(answer), told="")
    response.force_close()
    return response


def unexpected(status: int) -> ErrorResponse:
    """Say what aiohttp says by a status alone, outside the application."""
    phrase = HTTPStatus(status)
    return _failure(phrase, f"{phrase.phrase} [error-{phrase.phrase.lower().replace(' ', '-')}]")


@cache
def bytes_of(cause: Cause) -> bytes:
    """Spell the answer out, for a connection on which no request was understood."""
    wire_bytes = _wire_bytes(_ANSWERS[cause])
    return wire_bytes.head + b"Connection: close\r\n\r\n" + wire_bytes.body


def _wire_bytes(answer: ErrorResponse) -> WireBytes:
    return WireBytes.of(answer.status, {**HEADERS, **answer.headers}, orjson.dumps(answer.body))
