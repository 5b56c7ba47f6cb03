"""The schemas of all bodies, generated from their types."""

from typing import Annotated, Any, Final, Literal, TypeAlias, TypedDict

import msgspec

from api.endpoints.weekly_data.contract import WeeklyData
from api.health import Liveness, Readiness

Document: TypeAlias = dict[str, Any]
"""A part of the document, as JSON would hold it."""


class Failure(TypedDict):
    """Why there is no answer: a sentence, and at its end a word for programs in square brackets."""

    success: Annotated[bool, msgspec.Meta(extra_json_schema={"const": False})]
    error: str


class NotLoggedIn(TypedDict):
    """That nobody is logged in; the same for whatever is wrong with a token."""

    status: Literal["error"]
    message: str


class OpenApi(TypedDict):
    """This document."""

    openapi: str
    info: dict[str, Any]
    paths: dict[str, Any]


_BODIES: Final = (WeeklyData, Failure, NotLoggedIn, Liveness, Readiness, OpenApi)


def schemas() -> Document:
    """Return the schema of each kind of body, by its name."""
    _, components = msgspec.json.schema_components(_BODIES, ref_template="#/components/schemas/{name}")
    return components


def reference(body: type) -> Document:
    """Refer to the schema of a kind of body."""
    return {"$ref": f"#/components/schemas/{body.__name__}"}
