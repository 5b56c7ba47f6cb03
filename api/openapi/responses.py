"""The responses of an operation in OpenAPI: by status, with headers, examples and the schemas of bodies."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal, TypeAlias, TypedDict

import msgspec

from api.endpoints.weekly_data.contract import WeeklyData
from api.errors import error_response
from api.health import Liveness, Readiness

Document: TypeAlias = dict[str, Any]
"""A part of the OpenAPI document, in Python's equivalents of JSON."""

JSON: Final = "application/json"

_RATE_LIMIT: Final = {
    "X-RateLimit-Limit": "The token's requests per minute; absent if it has no limit.",
    "X-RateLimit-Remaining": "The requests that remain in this minute.",
    "X-RateLimit-Reset": "The start of the next minute, in milliseconds since 1970.",
}
_WHOLE_NUMBER: Final = {"type": "string", "pattern": "^[0-9]+$"}


class Failure(TypedDict):
    """An error: a sentence that ends with an error code in square brackets, and `success` false."""

    success: Annotated[bool, msgspec.Meta(extra_json_schema={"const": False})]
    error: str


class NotLoggedIn(TypedDict):
    """The request is not authenticated; the body is the same for every cause."""

    status: Literal["error"]
    message: str


class OpenApi(TypedDict):
    """This document."""

    openapi: str
    info: dict[str, Any]
    paths: dict[str, Any]


_BODIES: Final = (WeeklyData, Failure, NotLoggedIn, Liveness, Readiness, OpenApi)


@dataclass(frozen=True, slots=True)
class Example:
    """One response; `body` is the type of `value`."""

    status: HTTPStatus
    body: type
    value: object


def example_of(error: Exception) -> Example:
    """Return the response to an error as an example."""
    response = error_response(error)
    body = NotLoggedIn if response.status is HTTPStatus.UNAUTHORIZED else Failure
    return Example(response.status, body, response.body)


def schemas() -> Document:
    """Return the schema of each type of body, by the type's name."""
    _, components = msgspec.json.schema_components(_BODIES, ref_template="#/components/schemas/{name}")
    return components


def responses(examples: Mapping[str, Example], headers: Mapping[HTTPStatus, Document]) -> Document:
    """Return all responses of an operation; those of one status have the same type of body."""
    statuses = dict.fromkeys(example.status for example in examples.values())
    return {
        str(status.value): _response(
            status,
            {name: example for name, example in examples.items() if example.status is status},
            headers.get(status, {}),
        )
        for status in statuses
    }


def not_modified(headers: Document) -> Document:
    """Return the 304 response: the headers of the 200 response, without a body."""
    status = HTTPStatus.NOT_MODIFIED
    return {str(status.value): {"description": status.phrase, "headers": headers}}


def without_content(responses: Document) -> Document:
    """Return the responses to HEAD: those to GET without bodies."""
    return {
        status: {name: part for name, part in response.items() if name != "content"}
        for status, response in responses.items()
    }


def claim_headers() -> Document:
    return {
        "X-Headcount-As-Of": {
            "description": "The instant up to which every event is counted.",
            "required": True,
            "schema": {"type": "string", "format": "date-time"},
        },
        "X-Headcount-Precision": {
            "description": (
                "The precision of the numbers: `exact`, or the relative standard error of the least precise"
                " one, such as 0.0081. A day with up to 512 users is exact."
            ),
            "required": True,
            "schema": {"type": "string", "pattern": r"^(exact|0\.[0-9]{4})$"},
            "examples": {"exact": {"value": "exact"}, "estimate": {"value": "0.0081"}},
        },
    }


def tag_header() -> Document:
    return {
        "ETag": {
            "description": (
                "Changes exactly when the body or its precision changes; not with X-Headcount-As-Of, which a"
                " 304 has too."
            ),
            "required": True,
            "schema": {"type": "string", "pattern": '^"[0-9a-f]{32}"$'},
        }
    }


def wait_header() -> Document:
    description = "The number of seconds after which to try again."
    return {"Retry-After": {"description": description, "required": True, "schema": _WHOLE_NUMBER}}


def rate_limit_headers(*statuses: HTTPStatus) -> dict[HTTPStatus, Document]:
    """Return the rate limit's headers for each status; they are always sent with 429."""
    return {
        status: {
            name: {
                "description": description,
                "required": status is HTTPStatus.TOO_MANY_REQUESTS,
                "schema": _WHOLE_NUMBER,
            }
            for name, description in _RATE_LIMIT.items()
        }
        for status in statuses
    }


def _response(status: HTTPStatus, examples: Mapping[str, Example], headers: Document) -> Document:
    bodies = [example.body for example in examples.values()]
    values = {name: {"value": each.value} for name, each in examples.items() if each.value is not None}
    schema = {"$ref": f"#/components/schemas/{bodies[0].__name__}"}
    content = {"schema": schema} | ({"examples": values} if values else {})
    response = {"description": status.phrase, "content": {JSON: content}}
    return response | ({"headers": headers} if headers else {})
