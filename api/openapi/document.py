"""The OpenAPI document: its operations and their parameters, and the endpoint that serves it."""

from collections.abc import Mapping
from functools import cache
from http import HTTPStatus
from importlib.metadata import version
from typing import Final

import orjson
from aiohttp import web

from api.endpoints.weekly_data.contract import WEEKLY_DATA_PATH
from api.health import LIVEZ_PATH, READYZ_PATH
from api.openapi.examples import livez_examples, openapi_examples, readyz_examples, weekly_data_examples
from api.openapi.responses import (
    Document,
    Example,
    claim_headers,
    not_modified,
    rate_limit_headers,
    responses,
    schemas,
    tag_header,
    wait_header,
    without_content,
)
from httpd.cached_response import CachedResponse
from httpd.responses import HEADERS

OPENAPI_PATH: Final = "/openapi.json"

_AUTH_TOKEN: Final = {"type": "apiKey", "in": "header", "name": "x-auth-token", "description": "The token."}
_USER_ID: Final = {
    "type": "apiKey",
    "in": "header",
    "name": "x-user-id",
    "description": "The id of the token's user.",
}
_COUNTED: Final = (
    HTTPStatus.OK,
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
"""The statuses of requests that a rate limit may have counted."""

# Months and days that every year has; only a leap year has February 29.
_DAYS: Final = "(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])|(0[13-9]|1[0-2])-(29|30)|(0[13578]|1[02])-31"
_LEAP_YEAR: Final = (
    "([0-9]{2}(0[48]|[2468][048]|[13579][26])|(0[048]|[2468][048]|[13579][26])00)"  # the second: by 400
)
_TIME: Final = "T([01][0-9]|2[0-3])(:[0-5][0-9]){2}[.][0-9]{3}Z"
START_PATTERN: Final = f"^([0-9]{{4}}-({_DAYS})|{_LEAP_YEAR}-02-29){_TIME}$"
"""Matches exactly the instants that weekly-data accepts as `start`."""


async def get_openapi(request: web.Request) -> web.StreamResponse:
    """Answer with the OpenAPI document."""
    return _cached_document().response_to(request)


@cache
def _cached_document() -> CachedResponse:
    # Public, unlike every other response: it depends on no token, and changes only with the version.
    headers = {**HEADERS, "Cache-Control": "public, max-age=3600"}
    return CachedResponse.of(orjson.dumps(openapi_document()), headers)


def openapi_document() -> Document:
    """Describe every route, with an example of each of its responses."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Headcount",
            "version": version("headcount"),
            "description": "Live counts of the distinct people active in a chat workspace.",
        },
        "servers": [{"url": "/"}],
        "paths": {
            WEEKLY_DATA_PATH: _weekly_data(),
            LIVEZ_PATH: _public_path("livez", "Whether the process is alive", livez_examples()),
            READYZ_PATH: _public_path("readyz", "Whether the API can answer requests", readyz_examples()),
            OPENAPI_PATH: _openapi(),
        },
        "components": {
            "schemas": schemas(),
            "securitySchemes": {"authToken": _AUTH_TOKEN, "userId": _USER_ID},
        },
    }


def _weekly_data() -> Document:
    rate_limit = rate_limit_headers(*_COUNTED)
    ok = claim_headers() | tag_header() | rate_limit[HTTPStatus.OK]
    headers = rate_limit | {
        HTTPStatus.OK: ok,
        HTTPStatus.TOO_MANY_REQUESTS: wait_header() | rate_limit[HTTPStatus.TOO_MANY_REQUESTS],
        HTTPStatus.SERVICE_UNAVAILABLE: wait_header() | rate_limit[HTTPStatus.SERVICE_UNAVAILABLE],
    }
    operation = {
        "summary": "Distinct active users on each of eight days",
        "description": (
            "Newest day first; days without users are omitted. The workspace is the token's. Requires the"
            " permission view-engagement-dashboard. A response is at most one second old."
        ),
        "security": [{"authToken": [], "userId": []}],
        "parameters": [_start_parameter(), _tag_parameter()],
    }
    return _path("weekly-data", operation, responses(weekly_data_examples(), headers) | not_modified(ok))


def _openapi() -> Document:
    operation = {"summary": "This document", "security": [], "parameters": [_tag_parameter()]}
    documented = responses(openapi_examples(), {HTTPStatus.OK: tag_header()})
    return _path("openapi", operation, documented | not_modified(tag_header()))


def _public_path(name: str, summary: str, examples: Mapping[str, Example]) -> Document:
    return _path(name, {"summary": summary, "security": []}, responses(examples, {}))


def _path(name: str, operation: Document, documented: Document) -> Document:
    return {
        "get": {"operationId": name, **operation, "responses": documented},
        "head": {"operationId": f"{name}-head", **operation, "responses": without_content(documented)},
    }


def _start_parameter() -> Document:
    return {
        "name": "start",
        "in": "query",
        "required": True,
        "description": (
            "An instant in the last day to return, in the deployment's time zone; the seven days before that"
            " day are returned too. It must have exactly the form of JavaScript's toISOString()."
        ),
        "schema": {"type": "string", "format": "date-time", "pattern": START_PATTERN},
    }


def _tag_parameter() -> Document:
    return {
        "name": "If-None-Match",
        "in": "header",
        "required": False,
        "description": (
            "ETags of responses that the client has; if one of them matches, the response is 304."
        ),
        "schema": {"type": "string"},
    }
