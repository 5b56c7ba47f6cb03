"""How a client is told why its connection ends: in the form of every other error of the API."""

from collections.abc import Mapping
from functools import cache
from http import HTTPStatus
from typing import Final

from aiohttp import web

from httpd.responses import ErrorResponse, json_response
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
    Cause.BODY: _failure(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Requests take no body [error-body-not-allowed]"
    ),
    Cause.PIPELINING: _failure(
        HTTPStatus.TOO_MANY_REQUESTS,
        "Too many requests were sent without waiting for their answers [error-too-many-pipelined]",
        _LATER,
    ),
}


def response_to(cause: Cause) -> web.Response:
    """Build the answer for aiohttp to send; the connection ends after it."""
    return last_response(_ANSWERS[cause])


def last_response(answer: ErrorResponse) -> web.Response:
    """Build an answer that the connection ends after."""
    response = json_response(answer.body, status=answer.status, headers=answer.headers)
    response.force_close()
    return response


def unexpected(status: int) -> ErrorResponse:
    """Say what aiohttp says by a status alone, outside the application."""
    phrase = HTTPStatus(status)
    return _failure(phrase, f"{phrase.phrase} [error-{phrase.phrase.lower().replace(' ', '-')}]")


@cache
def bytes_of(cause: Cause) -> bytes:
    """Spell the answer out, for a connection on which no request was understood."""
    response = response_to(cause)
    assert isinstance(response.body, bytes)  # noqa: S101  json_response gives bytes
    lines = [f"HTTP/1.1 {response.status} {response.reason}"]
    lines += [f"{name}: {value}" for name, value in response.headers.items()]
    lines += [f"Content-Length: {len(response.body)}", "Connection: close", "", ""]
    return "\r\n".join(lines).encode() + response.body
