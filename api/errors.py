"""The errors that end a request, the response to each, and the counts of refused requests."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Final, Literal

from aiohttp import web

from api.limits.rate_limit_status import RateLimitStatus
from httpd.responses import ErrorResponse
from projector.views.daily import CatchingUpError, ViewUnavailableError

LoginFailure = Literal["missing", "unknown", "expired", "revoked", "wrong-user"]
"""Why a login failed: for metrics only; a response never reports it."""

LimitedBy = Literal["token", "address"]
"""Which rate limit was exceeded."""


class ApiError(Exception):
    """The base class of the API's own errors."""


class NotLoggedInError(ApiError):
    """The request is not authenticated. The response is the same for every cause."""

    def __init__(self, failure: LoginFailure) -> None:
        super().__init__(failure)
        self.failure: Final = failure


class NotPermittedError(ApiError):
    """The user is authenticated but lacks the permission."""


class StartMissingError(ApiError):
    """The query has no `start`."""


class StartMalformedError(ApiError):
    """The query's `start` is not exactly one instant in the form of JavaScript's `toISOString()`."""


class TokensUnavailableError(ApiError):
    """The token store cannot say whether a token is known."""


class NoTokensError(TokensUnavailableError):
    """The token store is empty: it is new, or it has lost its tokens."""


class TooManyRequestsError(ApiError):
    """The client has exceeded a rate limit in this minute."""

    def __init__(self, by: LimitedBy, rate_limit_status: RateLimitStatus) -> None:
        super().__init__(by)
        self.by: Final = by
        self.rate_limit_status: Final = rate_limit_status


class RateLimitUnavailableError(ApiError):
    """The request cannot be counted, so it is not known whether it exceeds the rate limit."""


@dataclass(slots=True)
class Rejections:
    """Counts since the start: failed logins by cause, answered 401 or 429, and requests answered 429."""

    failed_logins: Counter[LoginFailure] = field(default_factory=Counter)
    rate_limited: Counter[LimitedBy] = field(default_factory=Counter)


def _failure(status: HTTPStatus, error: str) -> ErrorResponse:
    return ErrorResponse(status, {"success": False, "error": error})


def _unavailable(error: str, *, retry_after_seconds: int = 1) -> ErrorResponse:
    body = {"success": False, "error": error}
    return ErrorResponse(HTTPStatus.SERVICE_UNAVAILABLE, body, {"Retry-After": str(retry_after_seconds)})


_RESPONSES: Final[Mapping[type[Exception], ErrorResponse]] = {
    NotLoggedInError: ErrorResponse(
        HTTPStatus.UNAUTHORIZED, {"status": "error", "message": "You must be logged in to do this."}
    ),
    NotPermittedError: _failure(
        HTTPStatus.FORBIDDEN,
        "User does not have the permissions required for this action [error-unauthorized]",
    ),
    StartMissingError: _failure(HTTPStatus.BAD_REQUEST, "Match error: Missing key 'start'"),
    StartMalformedError: _failure(
        HTTPStatus.BAD_REQUEST, "Match error: Failed Match.Where validation in field start"
    ),
    web.HTTPNotFound: _failure(HTTPStatus.NOT_FOUND, "No route matches this path [error-not-found]"),
    web.HTTPMethodNotAllowed: _failure(
        HTTPStatus.METHOD_NOT_ALLOWED, "The method is not allowed for this path [error-method-not-allowed]"
    ),
    TooManyRequestsError: _failure(
        HTTPStatus.TOO_MANY_REQUESTS,
        "Error, too many requests. Please slow down. "
        "You must wait {seconds} seconds before trying this endpoint again. [error-too-many-requests]",
    ),
    CatchingUpError: _unavailable(
        "The counters are catching up with the log, please try again later [error-catching-up]",
        retry_after_seconds=5,
    ),
    ViewUnavailableError: _unavailable(
        "The counters are temporarily unavailable, please try again later [error-counters-unavailable]"
    ),
    TokensUnavailableError: _unavailable(
        "Authentication is temporarily unavailable, please try again later [error-tokens-unavailable]"
    ),
    RateLimitUnavailableError: _unavailable(
        "Rate limiting is temporarily unavailable, please try again later [error-rate-limit-unavailable]"
    ),
    TimeoutError: _unavailable("The request timed out, please try again later [error-timeout]"),
    Exception: _failure(HTTPStatus.INTERNAL_SERVER_ERROR, "Internal server error [error-internal]"),
}


def error_response(error: Exception) -> ErrorResponse:
    """Return the response to an error: that of its class, or of the nearest base class in the table."""
    response = next(_RESPONSES[kind] for kind in type(error).__mro__ if kind in _RESPONSES)
    if not isinstance(error, TooManyRequestsError):
        return response
    status = error.rate_limit_status
    seconds = str(status.seconds_to_wait)
    body = {**response.body, "error": str(response.body["error"]).format(seconds=seconds)}
    return replace(response, body=body, headers={"Retry-After": seconds, **status.headers})
