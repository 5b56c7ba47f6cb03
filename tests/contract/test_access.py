"""Deny by default: every route says who may call it, and those that need a login ask for one."""

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from api.access import Access, UndecidedRouteError, access_of
from tests.contract.conftest import Client


async def answer_anyone(_request: web.Request) -> web.Response:
    return web.Response()


async def test_a_route_without_a_decision_stops_the_start(app: web.Application) -> None:
    app.router.add_get("/forgotten", answer_anyone)
    with pytest.raises(UndecidedRouteError, match="/forgotten does not say who may call it"):
        await TestServer(app).start_server()


async def test_every_route_that_is_not_public_refuses_strangers(app: web.Application, client: Client) -> None:
    closed = [
        route
        for route in app.router.routes()
        if route.resource and access_of(app, route.resource) is Access.TOKEN
    ]
    assert closed
    for route in closed:
        assert route.resource
        async with client.request(route.method, route.resource.canonical) as response:
            assert response.status == 401


def test_only_the_health_paths_are_public(app: web.Application) -> None:
    public = {
        resource.canonical for resource in app.router.resources() if access_of(app, resource) is Access.PUBLIC
    }
    assert public == {"/livez", "/readyz"}
