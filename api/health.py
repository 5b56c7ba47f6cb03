"""Whether the process lives, and whether it can answer: for whoever restarts it or sends it requests."""

import asyncio
from collections.abc import Awaitable, Mapping
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final, TypeVar

from aiohttp import web

from api.contract import render_instant
from api.errors import NoTokensError, TokensUnavailableError
from api.resources import CLOCK, DEADLINE, TOKENS, VIEW
from api.responses import json_response
from projector.view import CatchingUpError, OtherTimeZoneError, ViewUnavailableError

T = TypeVar("T")

FRESH_FOR: Final = timedelta(seconds=10)
"""Ten times what a worker that keeps up needs; a take-over from one that died lasts longer, and shows."""

_OK: Final = "ok"
_PROBLEMS: Final[Mapping[type[Exception], str]] = {
    CatchingUpError: "catching up with the log; answers come back by themselves",
    OtherTimeZoneError: "of another time zone; start the API with the TIME_ZONE that the workers have",
    ViewUnavailableError: "unavailable: Redis does not answer, or can't",
    NoTokensError: "empty: no token was created yet, or Redis lost them; create one",
    TokensUnavailableError: "unavailable: Redis does not answer, or can't",
    TimeoutError: "unavailable: Redis does not answer in time",
}


async def get_livez(_request: web.Request) -> web.Response:
    """Answer as long as the event loop turns; nothing outside the process is asked."""
    return json_response({"alive": True})


async def get_readyz(request: web.Request) -> web.Response:
    """Say of each thing that an answer needs whether it is there, and what is wrong where it is not.

    Old counters are no reason to refuse answers, so they only show: in `freshness`, with their `as_of`.
    """
    app = request.app
    # Half the request's deadline: what hangs is to be named before the deadline takes the answer away.
    patience = app[DEADLINE].total_seconds() / 2
    (as_of, counters), (_, tokens) = await asyncio.gather(
        _ask(app[VIEW].as_of(), patience), _ask(app[TOKENS].ping(), patience)
    )
    ready = counters == tokens == _OK
    body = {
        "ready": ready,
        "counters": counters,
        "tokens": tokens,
        "freshness": _freshness(as_of, app[CLOCK]()),
        "as_of": None if as_of is None else render_instant(as_of),
    }
    return json_response(body, status=HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE)


async def _ask(check: Awaitable[T], patience: float) -> tuple[T | None, str]:
    try:
        async with asyncio.timeout(patience):
            return await check, _OK
    except tuple(_PROBLEMS) as problem:
        return None, next(words for kind, words in _PROBLEMS.items() if isinstance(problem, kind))


def _freshness(as_of: datetime | None, now: datetime) -> str:
    if as_of is None:
        return "unknown"
    age = now - as_of
    if age <= FRESH_FOR:
        return _OK
    return (
        f"stale: nothing was counted for {age.total_seconds():.0f} s; is a worker running, and Kafka there?"
    )
