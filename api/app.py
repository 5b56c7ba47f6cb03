"""The composition of the API's application from its routes, endpoints and dependencies."""

import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web

from api.auth.admission import Admission, ClientLimits
from api.auth.auth_cache import AuthCache
from api.auth.authentication import TokenStore
from api.cache.ttl_cache import Timer
from api.endpoints.cached_endpoint import CachedEndpoint
from api.endpoints.weekly_data.endpoint import weekly_data
from api.fast_path import FAST_PATH, CachedResponder
from api.health import LIVEZ_PATH, READYZ_PATH, get_livez, get_readyz
from api.middlewares import add_rate_limit_headers, answer_errors, keep_deadline
from api.openapi.document import OPENAPI_PATH, get_openapi
from api.resources import ADMISSION, CLOCK, TOKENS, VIEW
from api.routing import Access, RateLimit, Route, add_routes
from projector.views.daily import View


def create_app(
    *,
    view: View,
    tokens: TokenStore,
    time_zone: ZoneInfo,
    clock: Callable[[], datetime],
    timer: Timer = time.monotonic,
    limits: ClientLimits = ClientLimits(),  # noqa: B008 - frozen, as `timedelta` is
) -> web.Application:
    """Build the application. It opens and closes nothing: `view`, `tokens` and `limits` belong to the caller.

    `time_zone` is the deployment's; it decides the day of a `start`, as it decided the day of an event.
    `clock` returns the time of day, for the expiry of tokens and the minutes of rate limits. `timer` is
    monotonic; it measures the age of cached values.
    """
    app = web.Application(middlewares=[add_rate_limit_headers, answer_errors, keep_deadline])
    logins = AuthCache(timer)
    app[ADMISSION] = Admission(tokens, logins, limits=limits, clock=clock)
    endpoints = cached_endpoints(view, time_zone, timer, limits.deadline)
    app[FAST_PATH] = CachedResponder(logins, app[ADMISSION], endpoints, clock=clock)
    app[VIEW] = view
    app[TOKENS] = tokens
    app[CLOCK] = clock
    add_routes(app, routes(endpoints, limits.deadline))
    return app


def cached_endpoints(
    view: View, time_zone: ZoneInfo, timer: Timer, deadline: timedelta
) -> Sequence[CachedEndpoint[Any]]:
    """Build the endpoints that answer from a cache."""
    return (weekly_data(view, time_zone, timer, timeout_seconds=deadline.total_seconds()),)


def routes(endpoints: Iterable[CachedEndpoint[Any]], deadline: timedelta) -> Sequence[Route]:
    """Return all routes of the API; each has the same deadline."""
    return (
        *(
            Route(endpoint.path, endpoint.handle, Access.TOKEN, RateLimit.BY_TOKEN, deadline)
            for endpoint in endpoints
        ),
        Route(LIVEZ_PATH, get_livez, Access.PUBLIC, RateLimit.NONE, deadline),
        Route(READYZ_PATH, get_readyz, Access.PUBLIC, RateLimit.NONE, deadline),
        Route(OPENAPI_PATH, get_openapi, Access.PUBLIC, RateLimit.NONE, deadline),
    )
