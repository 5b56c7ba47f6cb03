"""The application: its routes, who may call each, and how often."""

import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from aiohttp import web

from api.auth.admission import Admission, Bounds
from api.auth.auth_cache import AuthCache
from api.auth.authentication import TokenStore
from api.cache.fast_path import FAST_PATH, CachedResponder
from api.cache.ttl_cache import Timer
from api.endpoints.cached_endpoint import CachedEndpoint
from api.endpoints.weekly_data.endpoint import weekly_data
from api.health import get_livez, get_readyz
from api.middlewares import add_rate_limit_headers, answer_errors, keep_deadline
from api.openapi.document import LIVEZ_PATH, OPENAPI_PATH, READYZ_PATH
from api.openapi.endpoint import get_openapi
from api.resources import ADMISSION, CLOCK, DEADLINE, TIME_ZONE, TOKENS, VIEW
from api.routing import Access, Limit, Route, add_routes
from projector.views.daily import View

PUBLIC_ROUTES: Final = (
    Route(LIVEZ_PATH, get_livez, Access.PUBLIC, Limit.NONE),
    Route(READYZ_PATH, get_readyz, Access.PUBLIC, Limit.NONE),
    Route(OPENAPI_PATH, get_openapi, Access.PUBLIC, Limit.NONE),
)


def create_app(
    *,
    view: View,
    tokens: TokenStore,
    time_zone: ZoneInfo,
    clock: Callable[[], datetime],
    timer: Timer = time.monotonic,
    bounds: Bounds = Bounds(),  # noqa: B008 - frozen, as `timedelta` is
) -> web.Application:
    """Build the app. It opens nothing and closes nothing: `view`, `tokens` and `bounds` belong to the caller.

    `time_zone` is the deployment's: it decides which day a `start` lies in, as it decided the day of an
    event. `clock` tells the time of day, by which tokens expire and minutes begin; by `timer` what was read
    grows old.
    """
    app = web.Application(middlewares=[add_rate_limit_headers, answer_errors, keep_deadline])
    logins = AuthCache(timer)
    app[ADMISSION] = Admission(tokens, logins, bounds=bounds, clock=clock)
    endpoints = cached_endpoints(view, time_zone, timer, bounds.deadline)
    app[FAST_PATH] = CachedResponder(logins, app[ADMISSION], endpoints, clock=clock)
    app[VIEW] = view
    app[TOKENS] = tokens
    app[TIME_ZONE] = time_zone
    app[CLOCK] = clock
    app[DEADLINE] = bounds.deadline
    add_routes(app, routes(endpoints))
    return app


def cached_endpoints(
    view: View, time_zone: ZoneInfo, timer: Timer, deadline: timedelta
) -> Sequence[CachedEndpoint[Any]]:
    """Build the endpoints that answer from a cache."""
    return (weekly_data(view, time_zone, timer, timeout_seconds=deadline.total_seconds()),)


def routes(endpoints: Iterable[CachedEndpoint[Any]]) -> Sequence[Route]:
    """Return every route of the API."""
    cached = (Route(each.path, each.handle, Access.TOKEN, Limit.BY_TOKEN) for each in endpoints)
    return (*cached, *PUBLIC_ROUTES)
