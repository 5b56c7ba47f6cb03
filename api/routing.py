"""Routes as values: the access, rate limit, deadline, methods and body limit of each path."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto
from typing import Final

from aiohttp import hdrs, web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Access(Enum):
    """Who may call a route."""

    PUBLIC = auto()
    """Any client: the response contains no data of a workspace."""

    TOKEN = auto()
    """An authenticated user; the handler's first step is `admit`."""


class RateLimit(Enum):
    """Which rate limit a route has."""

    NONE = auto()
    """None: the route costs next to nothing, or its callers must not be refused."""

    BY_TOKEN = auto()
    """A number of requests per minute and token, counted by `admit`."""


@dataclass(frozen=True, slots=True)
class Route:
    """One path. Access, rate limit and deadline have no defaults: each route must state them."""

    path: str
    handler: Handler
    access: Access
    rate_limit: RateLimit
    deadline: timedelta | None
    """The time after which the request is answered 503; None for a response without an end, a stream."""
    methods: tuple[str, ...] = (hdrs.METH_GET, hdrs.METH_HEAD)
    body_limit: int | None = None
    """The largest request body in bytes; None for the server's own limit, HTTP_MAX_BODY_BYTES."""


class UndecidedRouteError(Exception):
    """A path was added to the application without a `Route`."""


_ROUTES: Final[web.AppKey[dict[web.AbstractResource, Route]]] = web.AppKey("routes")
_BODY_LIMITS: Final[web.AppKey[dict[str, int | None]]] = web.AppKey("body_limits")


def add_routes(app: web.Application, routes: Iterable[Route]) -> None:
    """Add the routes. The application does not start if it has a resource that was not added here."""
    by_resource: dict[web.AbstractResource, Route] = {}
    for route in routes:
        resource = app.router.add_resource(route.path)
        for method in route.methods:
            resource.add_route(method, route.handler)
        by_resource[resource] = route
    app[_ROUTES] = by_resource
    app[_BODY_LIMITS] = {route.path: route.body_limit for route in by_resource.values()}
    app.on_startup.append(_refuse_undecided)


def decision_of(app: web.Application, resource: web.AbstractResource) -> Route:
    """Return the route of a resource; raises `UndecidedRouteError` if it was added without one."""
    if resource not in app[_ROUTES]:
        raise UndecidedRouteError(
            f"{resource.canonical} states no access, rate limit and deadline; add it as a Route"
        )
    return app[_ROUTES][resource]


def route_of(request: web.Request) -> Route | None:
    """Return the route that a request was resolved to; None if its path or method has none."""
    resource = request.match_info.route.resource
    return None if resource is None else decision_of(request.app, resource)


def body_limit_of(app: web.Application, path: str) -> int | None:
    """Return the body limit in bytes that the route of a path sets; None for the server's own limit."""
    return app[_BODY_LIMITS].get(path)


async def _refuse_undecided(app: web.Application) -> None:
    for resource in app.router.resources():
        decision_of(app, resource)
