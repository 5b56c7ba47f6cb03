"""The conditions a request can end in, and the one table of how each is answered."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

from aiohttp import web

from projector.view import CatchingUpError, ViewUnavailableError


class ApiError(Exception):
    """The root of the conditions that the API itself names."""


class NotLoggedInError(ApiError):
    """The request does not show that a user is logged in; it never says what is wrong with it."""


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


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """How a condition is told to the client."""

    status: HTTPStatus
    body: Mapping[str, object]
    headers: Mapping[str, str] = field(default_factory=dict)


def _failure(status: HTTPStatus, error: str) -> ErrorAnswer:
    return ErrorAnswer(status, {"success": False, "error": error})


def _unavailable(error: str, *, retry_after_seconds: int = 1) -> ErrorAnswer:
    body = {"success": False, "error": error}
    return ErrorAnswer(HTTPStatus.SERVICE_UNAVAILABLE, body, {"Retry-After": str(retry_after_seconds)})


_ANSWERS: Final[Mapping[type[Exception], ErrorAnswer]] = {
    NotLoggedInError: ErrorAnswer(
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
    TimeoutError: _unavailable("The answer took too long, please try again later [error-timeout]"),
    Exception: _failure(HTTPStatus.INTERNAL_SERVER_ERROR, "Internal server error [error-internal]"),
}


def answer_to(error: Exception) -> ErrorAnswer:
    """Look up how an error is answered: by its own class, or by the nearest one that it extends."""
    return next(_ANSWERS[kind] for kind in type(error).__mro__ if kind in _ANSWERS)
