"""The conditions a request can end in, and the one table of how each is answered."""

from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Final, Literal

from aiohttp import web

from api.limits.rate_limit_status import RateLimitStatus
from httpd.responses import ErrorResponse
from projector.views.daily import CatchingUpError, ViewUnavailableError

LoginFailure = Literal["missing", "unknown", "expired", "revoked", "wrong-user"]
"""What was wrong with a login: for whoever watches over the API, never for the client."""

LimitedBy = Literal["token", "address"]


class ApiError(Exception):
    """The root of the conditions that the API itself names."""


class NotLoggedInError(ApiError):
    """The request does not show that a user is logged in; the answer never says what is wrong with it."""

    def __init__(self, failure: LoginFailure) -> None:
        super().__init__(failure)
        self.failure: Final = failure


class NotPermittedError(ApiError):
    """The user is logged in, and may not do this."""


class StartMissingError(ApiError):
    """The query has no `start`."""


class StartMalformedError(ApiError):
    """The query's `start` is not exactly one instant as JavaScript's `toISOString()` prints it."""


class TokensUnavailableError(ApiError):
    """The token store can't say whether a token is known."""


class NoTokensError(TokensUnavailableError):
    """The token store holds no token at all: it is new, or it lost them all."""


class TooManyRequestsError(ApiError):
    """The client asked more often than it may in this minute."""

    def __init__(self, by: LimitedBy, rate_limit_status: RateLimitStatus) -> None:
        super().__init__(by)
        self.by: Final = by
        self.rate_limit_status: Final = rate_limit_status


class RateLimitUnavailableError(ApiError):
    """The request can't be counted, so it can't be known whether it is one too many."""


def _failure(status: HTTPStatus, error: str) -> ErrorResponse:
    return ErrorResponse(status, {"success": False, "error": error})


def _unavailable(error: str, *, retry_after_seconds: int = 1) -> ErrorResponse:
    body = {"success": False, "error": error}
    return ErrorResponse(HTTPStatus.SERVICE_UNAVAILABLE, body, {"Retry-After": str(retry_after_seconds)})


_ANSWERS: Final[Mapping[type[Exception], ErrorResponse]] = {
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
    web.HTTPNotFound: _failure(HTTPStatus.NOT_FOUND, "There is nothing at this path [error-not-found]"),
    web.HTTPMethodNotAllowed: _failure(
        HTTPStatus.METHOD_NOT_ALLOWED, "This path does not take this method [error-method-not-allowed]"
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
        "The counters can't be read at the moment, please try again later [error-counters-unavailable]"
    ),
    TokensUnavailableError: _unavailable(
        "Logins can't be checked at the moment, please try again later [error-tokens-unavailable]"
    ),
    RateLimitUnavailableError: _unavailable(
        "Requests can't be counted at the moment, please try again later [error-rate-limit-unavailable]"
    ),
    TimeoutError: _unavailable("The answer took too long, please try again later [error-timeout]"),
    Exception: _failure(HTTPStatus.INTERNAL_SERVER_ERROR, "Internal server error [error-internal]"),
}


def answer_to(error: Exception) -> ErrorResponse:
    """Look up how an error is answered: by its own class, or by the nearest one that it extends."""
    answer = next(_ANSWERS[kind] for kind in type(error).__mro__ if kind in _ANSWERS)
    return _with_wait(answer, error.rate_limit_status) if isinstance(error, TooManyRequestsError) else answer


def _with_wait(answer: ErrorResponse, rate_limit_status: RateLimitStatus) -> ErrorResponse:
    seconds = str(rate_limit_status.seconds_to_wait)
    body = {**answer.body, "error": str(answer.body["error"]).format(seconds=seconds)}
    return replace(answer, body=body, headers={"Retry-After": seconds, **rate_limit_status.headers})
