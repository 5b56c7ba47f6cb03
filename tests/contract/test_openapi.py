"""`/openapi.json`: a valid description of exactly the API's routes, public and the same for all clients."""

import re
from datetime import timedelta
from zoneinfo import ZoneInfo

import orjson
import pytest
from aiohttp import web
from hypothesis import example, given
from hypothesis import strategies as st
from multidict import MultiDict
from openapi_spec_validator import validate

from api.app import cached_endpoints, routes
from api.endpoints.weekly_data.contract import parse_start
from api.errors import StartMalformedError
from api.openapi.document import START_PATTERN, openapi_document
from api.routing import Access, RateLimit, Route
from tests.contract.conftest import Client
from tests.support.fakes_api import FakeTimer, FakeView

PATHS = openapi_document()["paths"]
DEADLINE = timedelta(seconds=1)
ROUTES = routes(cached_endpoints(FakeView(), ZoneInfo("UTC"), FakeTimer(), DEADLINE), DEADLINE)


async def test_the_document_is_public_and_cacheable(client: Client) -> None:
    async with client.get("/openapi.json") as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "application/json"
        assert response.headers["Cache-Control"] == "public, max-age=3600"
        assert orjson.loads(await response.read()) == openapi_document()


async def test_head_of_the_document(client: Client) -> None:
    async with client.head("/openapi.json") as response:
        assert (response.status, await response.read()) == (200, b"")
        assert response.headers["Cache-Control"] == "public, max-age=3600"


async def test_the_document_has_one_tag_for_all_clients(client: Client) -> None:
    async with client.get("/openapi.json", headers={"Accept-Encoding": "gzip"}) as response:
        tag = response.headers["ETag"]
        assert "Content-Encoding" not in response.headers
    async with client.get("/openapi.json", headers={"If-None-Match": tag}) as response:
        assert (response.status, await response.read()) == (304, b"")


def test_the_document_is_valid() -> None:
    validate(openapi_document())


def test_every_route_is_described_with_every_method_it_takes(app: web.Application) -> None:
    taken: dict[str, set[str]] = {}
    for route in app.router.routes():
        assert route.resource
        taken.setdefault(route.resource.canonical, set()).add(route.method.lower())
    assert {path: set(operations) for path, operations in PATHS.items()} == taken


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.path)
@pytest.mark.parametrize("method", ["get", "head"])
def test_access_and_rate_limit_of_each_route_are_described(method: str, route: Route) -> None:
    operation = PATHS[route.path][method]
    assert bool(operation["security"]) == (route.access is Access.TOKEN)
    assert ("401" in operation["responses"]) == (route.access is Access.TOKEN)
    assert ("429" in operation["responses"]) == (route.rate_limit is RateLimit.BY_TOKEN)


def test_head_is_described_as_get_without_a_body() -> None:
    for operations in PATHS.values():
        bare = {
            status: {name: part for name, part in response.items() if name != "content"}
            for status, response in operations["get"]["responses"].items()
        }
        assert operations["head"]["responses"] == bare


def is_taken(start: str) -> bool:
    try:
        parse_start(MultiDict(start=start))
    except StartMalformedError:
        return False
    return True


@given(
    st.from_regex(
        r"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9]\.[0-9]{3}Z", fullmatch=True
    )
    | st.builds("{:04}-02-{}T12:00:00.000Z".format, st.integers(0, 9999), st.integers(28, 30))
    | st.builds("{:04}-02-29T12:00:00.000Z".format, st.integers(0, 99).map(lambda number: number * 100))
    | st.text()
)
@example("0000-02-29T00:00:00.000Z")
@example("1900-02-29T00:00:00.000Z")
@example("2000-02-29T23:59:59.999Z")
@example("2024-05-17T24:00:00.000Z")
@example("2024-05-17T00:00:00.000Z\n")
def test_a_start_is_accepted_exactly_if_its_pattern_matches(start: str) -> None:
    # In JSON Schema `$` is the very end; in Python a newline may follow.
    described = re.fullmatch(START_PATTERN.removeprefix("^").removesuffix("$"), start) is not None
    assert described == is_taken(start)
