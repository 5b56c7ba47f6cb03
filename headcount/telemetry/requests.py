"""How long requests take: measured around everything that answers them."""

import time
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from api.fast_path import FAST_PATH
from headcount.telemetry.api import ApiMetrics

UNKNOWN_ROUTE: Final = "unknown"
"""Any path that is none of ours: a client must not be able to add labels."""


def measure(app: web.Application, metrics: ApiMetrics) -> None:
    """Note every answer of an app that does not run yet."""
    app[FAST_PATH].note = metrics.note_request
    # The outermost: what the other middlewares make of an error is the answer.
    app.middlewares.insert(0, measuring(metrics))


def measuring(metrics: ApiMetrics) -> Middleware:
    """Return a middleware that notes every answer."""

    @web.middleware
    async def measure(request: web.Request, handler: Handler) -> web.StreamResponse:
        started = time.perf_counter()
        response = await handler(request)
        metrics.note_request(_route(request), response.status, time.perf_counter() - started)
        return response

    return measure


def _route(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return UNKNOWN_ROUTE if resource is None else resource.canonical
