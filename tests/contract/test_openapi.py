"""`/openapi.json`: a valid description of all routes and no others, open to all, and the same for all."""

import gzip
import re
from datetime import timedelta
from zoneinfo import ZoneInfo

import orjson
import pytest
from aiohttp import ClientSession, web
from hypothesis import example, given
from hypothesis import strategies as st
from multidict import MultiDict
from openapi_spec_validator import validate

from api.app import cached_endpoints, routes
from api.endpoints.weekly_data.contract import parse_start
from api.errors import StartMalformedError
from api.openapi.document import openapi_document
from api.openapi.start import START_PATTERN
from api.routing import Access, Limit, Route
from tests.contract.conftest import Client
from tests.support.fakes_api import FakeTimer, FakeView

PATHS = openapi_document()["paths"]
ROUTES = routes(cached_endpoints(FakeView(), ZoneInfo("UTC"), FakeTimer(), timedelta(seconds=1)))


async def test_the_document_is_served_to_anybody_and_may_be_kept(client: Client) -> None:
    async with client.get("/openapi.json") as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "application/json"
        assert response.headers["Cache-Control"] == "public, max-age=3600"
        assert orjson.loads(await response.read()) == openapi_document()


async def test_head_of_the_document(client: Client) -> None:
    async with client.head("/openapi.json") as response:
        assert (response.status, await response.read()) == (200, b"")
        assert response.headers["Cache-Control"] == "public, max-age=3600"


async def raw(client: Client, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
    """Ask for the document, and return what came as it came."""
    url = f"http://{client.host}:{client.port}/openapi.json"
    async with (
        ClientSession(auto_decompress=False, skip_auto_headers=["Accept-Encoding"]) as session,
        session.get(url, headers=headers) as response,
    ):
        return response.status, {**response.headers}, await response.read()


async def test_the_document_is_compressed_for_whoever_takes_that(client: Client) -> None:
    status, headers, body = await raw(client, {"Accept-Encoding": "gzip, deflate"})
    assert (status, headers["Content-Encoding"], headers["Vary"]) == (200, "gzip", "Accept-Encoding")
    assert orjson.loads(gzip.decompress(body)) == openapi_document()
    assert len(body) == int(headers["Content-Length"])


@pytest.mark.parametrize(
    "accepted", [{}, {"Accept-Encoding": "identity"}, {"Accept-Encoding": "gzip;q=0, *"}]
)
async def test_the_document_is_sent_as_it_is_to_everybody_else(
    client: Client, accepted: dict[str, str]
) -> None:
    _, headers, body = await raw(client, accepted)
    assert "Content-Encoding" not in headers
    assert headers["Vary"] == "Accept-Encoding"
    assert orjson.loads(body) == openapi_document()


async def test_each_coding_of_the_document_has_a_tag_of_its_own(client: Client) -> None:
    _, plain, _ = await raw(client, {})
    _, packed, _ = await raw(client, {"Accept-Encoding": "gzip"})
    assert plain["Etag"] != packed["Etag"]
    assert (await raw(client, {"If-None-Match": plain["Etag"]}))[0] == 304
    assert (await raw(client, {"If-None-Match": packed["Etag"]}))[0] == 200
    assert (await raw(client, {"If-None-Match": packed["Etag"], "Accept-Encoding": "gzip"}))[0] == 304


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
def test_what_was_decided_of_a_route_is_described(method: str, route: Route) -> None:
    operation = PATHS[route.path][method]
    assert bool(operation["security"]) == (route.access is Access.TOKEN)
    assert ("401" in operation["responses"]) == (route.access is Access.TOKEN)
    assert ("429" in operation["responses"]) == (route.limit is Limit.BY_TOKEN)


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
def test_a_start_is_taken_exactly_if_its_pattern_says_so(start: str) -> None:
    # A JSON Schema's `$` is the very end; Python's lets a newline follow.
    described = re.fullmatch(START_PATTERN.removeprefix("^").removesuffix("$"), start) is not None
    assert described == is_taken(start)
