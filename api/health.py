"""Whether the process lives, and whether it can answer: for whoever restarts it or sends it requests."""

import asyncio
from collections.abc import Awaitable, Mapping
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final, TypedDict, TypeVar

from aiohttp import web

from api.endpoints.weekly_data.contract import render_instant
from api.errors import NoTokensError, TokensUnavailableError
from api.resources import CLOCK, DEADLINE, TOKENS, VIEW
from httpd.responses import json_response
from projector.views.daily import CatchingUpError, OtherTimeZoneError, ViewUnavailableError

T = TypeVar("T")

FRESH_FOR: Final = timedelta(seconds=10)
"""Ten times what a worker that keeps up needs; a take-over from one that died lasts longer, and shows."""

OK: Final = "ok"
_PROBLEMS: Final[Mapping[type[Exception], str]] = {
    CatchingUpError: "catching up with the log; answers come back by themselves",
    OtherTimeZoneError: "of another time zone; start the API with the TIME_ZONE that the workers have",
    ViewUnavailableError: "unavailable: Redis does not answer, or can't",
    NoTokensError: "empty: no token was created yet, or Redis lost them; create one",
    TokensUnavailableError: "unavailable: Redis does not answer, or can't",
    TimeoutError: "unavailable: Redis does not answer in time",
}


class Liveness(TypedDict):
    """That the process is alive."""

    alive: bool


class Readiness(TypedDict):
    """Whether the API can answer: of each part, and of how old the counters are, `ok` or what is wrong."""

    ready: bool
    counters: str
    tokens: str
    freshness: str
    as_of: str | None


ALIVE: Final[Liveness] = {"alive": True}


async def get_livez(_request: web.Request) -> web.Response:
    """Answer as long as the event loop turns; nothing outside the process is asked."""
    return json_response(ALIVE)


async def get_readyz(request: web.Request) -> web.Response:
    """Say of each thing that an answer needs whether it is there, and what is wrong where it is not.

    Old counters are no reason to refuse answers, so they only show: in `freshness`, with their `as_of`.
    """
    app = request.app
    # Half the request's deadline: what hangs is to be named before the deadline takes the answer away.
    seconds = app[DEADLINE].total_seconds() / 2
    (as_of, counters), (_, tokens) = await asyncio.gather(
        _ask(app[VIEW].as_of(), seconds), _ask(app[TOKENS].ping(), seconds)
    )
    body = readiness(counters=counters, tokens=tokens, as_of=as_of, now=app[CLOCK]())
    return json_response(body, status=HTTPStatus.OK if body["ready"] else HTTPStatus.SERVICE_UNAVAILABLE)


def readiness(*, counters: str, tokens: str, as_of: datetime | None, now: datetime) -> Readiness:
    """Put together what was found out of each part: `OK`, or what is wrong with it."""
    return {
        "ready": counters == tokens == OK,
        "counters": counters,
        "tokens": tokens,
        "freshness": _freshness(as_of, now),
        "as_of": None if as_of is None else render_instant(as_of),
    }


def problem(error: Exception) -> str:
    """Say what is wrong with a part that raised one of the errors that are known here."""
    return next(words for kind, words in _PROBLEMS.items() if isinstance(error, kind))


async def _ask(check: Awaitable[T], seconds: float) -> tuple[T | None, str]:
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
    return (
        f"stale: nothing was counted for {age.total_seconds():.0f} s; is a worker running, and Kafka there?"
    )
