"""Which routes are open, and which are rate limited: decided for each, or the app does not start."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Access(Enum):
    """Who may call a route."""

    PUBLIC = auto()
    """Anyone who reaches the port: nothing of any workspace is told."""

    TOKEN = auto()
    """A logged-in user; the handler's first step is `admit`."""


class Limit(Enum):
    """How often a route may be called."""

    NONE = auto()
    """As often as anyone likes: it costs next to nothing, or whoever calls it must not be refused."""

    BY_TOKEN = auto()
    """So many times a minute with one token; counted by `admit`."""


@dataclass(frozen=True, slots=True)
class Route:
    """A path that takes GET and HEAD. There is no default for who may call it, nor for how often."""

    path: str
    handler: Handler
    access: Access
    limit: Limit


class UndecidedRouteError(Exception):
    """A route was added without saying who may call it, and how often."""


_DECISIONS: Final[web.AppKey[dict[web.AbstractResource, Route]]] = web.AppKey("decisions")


def add_routes(app: web.Application, routes: Iterable[Route]) -> None:
    """Add the routes, and see to it that the app does not start if one gets in past this function."""
    decisions: dict[web.AbstractResource, Route] = {}
    for route in routes:
        resource = app.router.add_resource(route.path)
        resource.add_route("GET", route.handler)
        resource.add_route("HEAD", route.handler)
        decisions[resource] = route
    app[_DECISIONS] = decisions
    app.on_startup.append(_refuse_undecided)


def decision_of(app: web.Application, resource: web.AbstractResource) -> Route:
    """Look up what was decided, raising `UndecidedRouteError` where nothing was."""
    if resource not in app[_DECISIONS]:
        raise UndecidedRouteError(
            f"{resource.canonical} does not say who may call it, and how often; add it as a Route"
        )
    return app[_DECISIONS][resource]


async def _refuse_undecided(app: web.Application) -> None:
    for resource in app.router.resources():
        decision_of(app, resource)
