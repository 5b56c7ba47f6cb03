"""Deny by default: every route states its access and rate limit, and enforces them."""

from typing import get_type_hints

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from api.routing import (
    Access,
    RateLimit,
    Route,
    UndecidedRouteError,
    add_routes,
    body_limit_of,
    decision_of,
)
from tests.contract.conftest import Client
from tests.support.fakes_api import FakeLimiter


async def answer_anyone(_request: web.Request) -> web.Response:
    return web.Response()


def decisions(app: web.Application) -> list[Route]:
    return [decision_of(app, resource) for resource in app.router.resources()]


async def test_the_app_does_not_start_with_an_undeclared_route(app: web.Application) -> None:
    app.router.add_get("/forgotten", answer_anyone)
    with pytest.raises(UndecidedRouteError, match="/forgotten states no access, rate limit and deadline"):
        await TestServer(app).start_server()


@pytest.mark.parametrize("decision", ["access", "rate_limit", "deadline"])
def test_access_rate_limit_and_deadline_have_no_defaults(decision: str) -> None:
    decided = {
        "path": "/new",
        "handler": answer_anyone,
        "access": Access.PUBLIC,
        "rate_limit": RateLimit.NONE,
        "deadline": None,
    }
    assert decided.keys() | {"methods", "body_limit"} == get_type_hints(Route).keys()
    del decided[decision]
    with pytest.raises(TypeError, match=decision):
        Route(**decided)  # type: ignore[arg-type]  # an argument is missing


async def test_every_route_that_is_not_public_requires_a_token(app: web.Application, client: Client) -> None:
    closed = [route for route in decisions(app) if route.access is Access.TOKEN]
    assert closed
    for route in closed:
        for method in ("GET", "HEAD"):
            async with client.request(method, route.path) as response:
                assert response.status == 401


async def test_only_the_health_paths_and_the_description_are_public(app: web.Application) -> None:
    public = {route.path for route in decisions(app) if route.access is Access.PUBLIC}
    assert public == {"/livez", "/readyz", "/openapi.json"}


async def test_only_public_routes_are_not_limited(app: web.Application) -> None:
    for route in decisions(app):
        assert (route.rate_limit is RateLimit.NONE) == (route.access is Access.PUBLIC)


async def test_every_limited_route_counts_the_requests_of_its_token(
    limited_client: Client, limiter: FakeLimiter, headers: dict[str, str]
) -> None:
    limited = [route for route in decisions(limited_client.app) if route.rate_limit is RateLimit.BY_TOKEN]
    assert limited
    for route in limited:
        limiter.counts.clear()
        async with limited_client.get(route.path, headers=headers) as response:
            assert response.headers["X-RateLimit-Limit"] == "3"
        assert [*limiter.counts.values()] == [1]


async def test_a_route_allows_exactly_its_methods() -> None:
    app = web.Application()
    route = Route("/new", answer_anyone, Access.PUBLIC, RateLimit.NONE, None, methods=("POST",))
    add_routes(app, [route])
    assert [each.method for each in app.router.routes()] == ["POST"]


def test_the_body_limit_of_a_path_is_that_of_its_route() -> None:
    app = web.Application()
    decided = (answer_anyone, Access.PUBLIC, RateLimit.NONE, None)
    add_routes(app, [Route("/default", *decided), Route("/upload", *decided, body_limit=5)])
    assert [body_limit_of(app, path) for path in ("/default", "/upload", "/unknown")] == [None, 5, None]
