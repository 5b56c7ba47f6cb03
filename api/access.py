"""Which routes are open: decided for each by name, or the app does not start."""

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
    """A logged-in user; the handler's first step is `authenticate`."""


@dataclass(frozen=True, slots=True)
class Route:
    """A path that takes GET and HEAD. There is no default access."""

    path: str
    handler: Handler
    access: Access


class UndecidedRouteError(Exception):
    """A route was added without saying who may call it."""


_DECISIONS: Final[web.AppKey[dict[web.AbstractResource, Access]]] = web.AppKey("decisions")


def add_routes(app: web.Application, routes: Iterable[Route]) -> None:
    """Add the routes, and see to it that the app does not start if one gets in past this function."""
    decisions: dict[web.AbstractResource, Access] = {}
    for route in routes:
        resource = app.router.add_resource(route.path)
        resource.add_route("GET", route.handler)
        resource.add_route("HEAD", route.handler)
        decisions[resource] = route.access
    app[_DECISIONS] = decisions
    app.on_startup.append(_refuse_undecided)


def access_of(app: web.Application, resource: web.AbstractResource) -> Access:
    """Look up the decision, raising `UndecidedRouteError` where there is none."""
    if resource not in app[_DECISIONS]:
        raise UndecidedRouteError(f"{resource.canonical} does not say who may call it; add it as a Route")
    return app[_DECISIONS][resource]


async def _refuse_undecided(app: web.Application) -> None:
    for resource in app.router.resources():
        access_of(app, resource)
