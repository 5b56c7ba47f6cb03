"""Whether the process lives, and whether it can answer: for whoever restarts it or sends it requests."""

import asyncio
from collections.abc import Awaitable, Mapping
from http import HTTPStatus
from typing import Final

from aiohttp import web

from api.errors import NoTokensError, TokensUnavailableError
from api.resources import DEADLINE, TOKENS, VIEW
from api.responses import json_response
from projector.view import CatchingUpError, ViewUnavailableError

_OK: Final = "ok"
_PROBLEMS: Final[Mapping[type[Exception], str]] = {
    CatchingUpError: "catching up with the log; answers come back by themselves",
    ViewUnavailableError: "unavailable: Redis does not answer, or can't",
    NoTokensError: "empty: no token was created yet, or Redis lost them; create one",
    TokensUnavailableError: "unavailable: Redis does not answer, or can't",
    TimeoutError: "unavailable: Redis does not answer in time",
}


async def get_livez(_request: web.Request) -> web.Response:
    """Answer as long as the event loop turns; nothing outside the process is asked."""
    return json_response({"alive": True})


async def get_readyz(request: web.Request) -> web.Response:
    """Say of each thing that an answer needs whether it is there, and what is wrong where it is not."""
    app = request.app
    # Half the request's deadline: what hangs is to be named before the deadline takes the answer away.
    patience = app[DEADLINE].total_seconds() / 2
    counters, tokens = await asyncio.gather(
        _state_of(app[VIEW].as_of(), patience), _state_of(app[TOKENS].ping(), patience)
    )
    ready = counters == tokens == _OK
    status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
    return json_response({"ready": ready, "counters": counters, "tokens": tokens}, status=status)


async def _state_of(check: Awaitable[object], patience: float) -> str:
    try:
        async with asyncio.timeout(patience):
            await check
    except tuple(_PROBLEMS) as problem:
        return next(words for kind, words in _PROBLEMS.items() if isinstance(problem, kind))
    return _OK
