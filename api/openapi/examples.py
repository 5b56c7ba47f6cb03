"""The example responses of each path, exactly as the API sends them at one instant for one workspace."""

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Final
from zoneinfo import ZoneInfo

from multidict import MultiDict

from api.endpoints.weekly_data.contract import WeeklyData, parse_window, render_weekly_data
from api.errors import (
    NotLoggedInError,
    NoTokensError,
    NotPermittedError,
    RateLimitUnavailableError,
    StartMalformedError,
    StartMissingError,
    TokensUnavailableError,
    TooManyRequestsError,
)
from api.health import ALIVE, OK, Liveness, Readiness, problem, readiness
from api.limits.rate_limit_status import RateLimitStatus
from api.openapi.responses import Example, OpenApi, example_of
from projector.views.daily import CatchingUpError, ViewUnavailableError

NOW: Final = datetime(2024, 5, 17, 18, 30, tzinfo=UTC)
AS_OF: Final = NOW - timedelta(seconds=1)
START: Final = "2024-05-17T23:59:59.999Z"
USERS: Final = (3, 5, 4, 0, 0, 2, 4, 5)
"""The distinct users of each day of the example's window, newest first."""
REQUESTS_PER_MINUTE: Final = 600


def weekly_data_examples() -> dict[str, Example]:
    window = parse_window(MultiDict(start=START), ZoneInfo("UTC"))
    errors: dict[str, Exception] = {
        "start-missing": StartMissingError(),
        "start-malformed": StartMalformedError(),
        "not-logged-in": NotLoggedInError("missing"),
        "not-permitted": NotPermittedError(),
        "too-many-requests": TooManyRequestsError(
            "token", RateLimitStatus(REQUESTS_PER_MINUTE, REQUESTS_PER_MINUTE + 1, NOW)
        ),
        "catching-up": CatchingUpError(),
        "counters-unavailable": ViewUnavailableError(),
        "tokens-unavailable": TokensUnavailableError(),
        "not-counted": RateLimitUnavailableError(),
        "too-slow": TimeoutError(),
    }
    return {
        "week": Example(HTTPStatus.OK, WeeklyData, render_weekly_data(window, USERS)),
        "no-users": Example(HTTPStatus.OK, WeeklyData, render_weekly_data(window, [0] * len(window))),
        **{name: example_of(error) for name, error in errors.items()},
    }


def livez_examples() -> dict[str, Example]:
    return {"alive": Example(HTTPStatus.OK, Liveness, ALIVE)}


def readyz_examples() -> dict[str, Example]:
    catching_up, away = problem(CatchingUpError()), problem(ViewUnavailableError())
    no_tokens, tokens_away = problem(NoTokensError()), problem(TokensUnavailableError())
    return {
        "ready": Example(HTTPStatus.OK, Readiness, _readiness(OK, OK, AS_OF)),
        "stale": Example(HTTPStatus.OK, Readiness, _readiness(OK, OK, NOW - timedelta(minutes=5))),
        "not-caught-up": _unready(_readiness(catching_up, OK)),
        "no-tokens": _unready(_readiness(OK, no_tokens, AS_OF)),
        "redis-away": _unready(_readiness(away, tokens_away)),
    }


def openapi_examples() -> dict[str, Example]:
    """Return the response of the document's own path; its value is left out, as it is the document itself."""
    return {"document": Example(HTTPStatus.OK, OpenApi, None)}


def _readiness(counters: str, tokens: str, as_of: datetime | None = None) -> Readiness:
    return readiness(counters=counters, tokens=tokens, as_of=as_of, now=NOW)


def _unready(body: Readiness) -> Example:
    return Example(HTTPStatus.SERVICE_UNAVAILABLE, Readiness, body)
