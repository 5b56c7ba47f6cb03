"""Liveness and readiness of the process, for orchestrators and load balancers."""

import asyncio
from collections.abc import Awaitable, Mapping
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final, TypedDict, TypeVar

from aiohttp import web

from api.endpoints.weekly_data.contract import render_instant
from api.errors import NoTokensError, TokensUnavailableError
from api.resources import CLOCK, TOKENS, VIEW
from api.routing import route_of
from httpd.responses import json_response
from projector.views.daily import CatchingUpError, OtherTimeZoneError, ViewUnavailableError

T = TypeVar("T")

LIVEZ_PATH: Final = "/livez"
READYZ_PATH: Final = "/readyz"

FRESH_FOR: Final = timedelta(seconds=10)
"""Ten times the usual age of the counters; a takeover from a crashed worker lasts longer and is shown."""

OK: Final = "ok"
_PROBLEMS: Final[Mapping[type[Exception], str]] = {
    CatchingUpError: "catching up with the log; requests are answered again once it is done",
    OtherTimeZoneError: "of another time zone; start the API with the TIME_ZONE of the workers",
    ViewUnavailableError: "unavailable: Redis does not answer, or answers with an error",
    NoTokensError: "empty: no token exists, or Redis lost them; create one with `headcount tokens create`",
    TokensUnavailableError: "unavailable: Redis does not answer, or answers with an error",
    TimeoutError: "unavailable: Redis does not answer in time",
}


class Liveness(TypedDict):
    """The process is running."""

    alive: bool


class Readiness(TypedDict):
    """Whether the API can answer requests; each part is `ok` or a description of the problem."""

    ready: bool
    counters: str
    tokens: str
    freshness: str
    as_of: str | None


ALIVE: Final[Liveness] = {"alive": True}


async def get_livez(_request: web.Request) -> web.Response:
    """Answer for as long as the event loop runs; nothing outside the process is checked."""
    return json_response(ALIVE)


async def get_readyz(request: web.Request) -> web.Response:
    """Check everything that an answer needs, and report each problem.

    Old counters do not make the API unready: they are reported in `freshness`, with their `as_of`.
    """
    app = request.app
    route = route_of(request)
    deadline = None if route is None else route.deadline
    # Half the deadline, so that the response can name what hangs before the request itself times out.
    seconds = None if deadline is None else deadline.total_seconds() / 2
    (as_of, counters), (_, tokens) = await asyncio.gather(
        _check(app[VIEW].as_of(), seconds), _check(app[TOKENS].ping(), seconds)
    )
    body = readiness(counters=counters, tokens=tokens, as_of=as_of, now=app[CLOCK]())
    return json_response(body, status=HTTPStatus.OK if body["ready"] else HTTPStatus.SERVICE_UNAVAILABLE)


def readiness(*, counters: str, tokens: str, as_of: datetime | None, now: datetime) -> Readiness:
    """Build the body from the state of each part: `OK`, or its problem."""
    return {
        "ready": counters == tokens == OK,
        "counters": counters,
        "tokens": tokens,
        "freshness": _freshness(as_of, now),
        "as_of": None if as_of is None else render_instant(as_of),
    }


def problem(error: Exception) -> str:
    """Describe the problem of a part that raised one of the known errors."""
    return next(description for kind, description in _PROBLEMS.items() if isinstance(error, kind))


async def _check(check: Awaitable[T], seconds: float | None) -> tuple[T | None, str]:
    try:
        async with asyncio.timeout(seconds):
            return await check, OK
    except tuple(_PROBLEMS) as error:
        return None, problem(error)


def _freshness(as_of: datetime | None, now: datetime) -> str:
    if as_of is None:
        return "unknown"
    age = now - as_of
    if age <= FRESH_FOR:
        return OK
    seconds = f"{age.total_seconds():.0f} s"
    return f"stale: not updated for {seconds}; check the workers and their connection to Kafka"
