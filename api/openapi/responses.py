"""The responses of an operation: its answers by status, with their headers and an example of each."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from api.errors import answer_to
from api.openapi.schemas import Document, Failure, NotLoggedIn, reference

JSON: Final = "application/json"

_AS_OF: Final = "The instant up to which every event is counted."
_PRECISION: Final = (
    "How precise the numbers are: `exact`, or the relative standard error of the least precise of them, like "
    "0.0081. A day is exact up to 512 users."
)
_WAIT: Final = "The seconds after which to try again."
_ALLOWANCE: Final = {
    "X-RateLimit-Limit": "How many requests a minute the token may make; absent where it has no limit.",
    "X-RateLimit-Remaining": "How many of them are left in this minute.",
    "X-RateLimit-Reset": "When the next minute begins, in milliseconds since 1970.",
}
_WHOLE_NUMBER: Final = {"type": "string", "pattern": "^[0-9]+$"}
_INSTANT: Final = {"type": "string", "format": "date-time"}
_A_PRECISION: Final = {"type": "string", "pattern": r"^(exact|0\.[0-9]{4})$"}


@dataclass(frozen=True, slots=True)
class Example:
    """One answer, as it is given; `body` names the kind of `value`."""

    status: HTTPStatus
    body: type
    value: object


def example_of(error: Exception) -> Example:
    """Return how an error is answered."""
    answer = answer_to(error)
    body = NotLoggedIn if answer.status is HTTPStatus.UNAUTHORIZED else Failure
    return Example(answer.status, body, answer.body)


def responses(examples: Mapping[str, Example], headers: Mapping[HTTPStatus, Document]) -> Document:
    """Lay out all answers of an operation; those of one status share a kind of body."""
    statuses = dict.fromkeys(example.status for example in examples.values())
    return {
        str(status.value): _response(
            status,
            {name: example for name, example in examples.items() if example.status is status},
            headers.get(status, {}),
        )
        for status in statuses
    }


def without_content(responses: Document) -> Document:
    """Return the responses to HEAD: all but the bodies."""
    return {
        status: {name: part for name, part in response.items() if name != "content"}
        for status, response in responses.items()
    }


def claim_headers() -> Document:
    return {
        "X-Headcount-As-Of": {"description": _AS_OF, "required": True, "schema": _INSTANT},
        "X-Headcount-Precision": {
            "description": _PRECISION,
            "required": True,
            "schema": _A_PRECISION,
            "examples": {"exact": {"value": "exact"}, "estimate": {"value": "0.0081"}},
        },
    }


def wait_header() -> Document:
    return {"Retry-After": {"description": _WAIT, "required": True, "schema": _WHOLE_NUMBER}}


def allowance_headers(*statuses: HTTPStatus) -> dict[HTTPStatus, Document]:
    """Return what is told of the rate limit, for each status; always there where it is exceeded."""
    return {
        status: {
            name: {
                "description": description,
                "required": status is HTTPStatus.TOO_MANY_REQUESTS,
                "schema": _WHOLE_NUMBER,
            }
            for name, description in _ALLOWANCE.items()
        }
        for status in statuses
    }


def _response(status: HTTPStatus, examples: Mapping[str, Example], headers: Document) -> Document:
    bodies = [example.body for example in examples.values()]
    content = {"schema": reference(bodies[0])} | _unless_empty("examples", _values(examples))
    return {"description": status.phrase, "content": {JSON: content}} | _unless_empty("headers", headers)


def _values(examples: Mapping[str, Example]) -> Document:
    return {name: {"value": each.value} for name, each in examples.items() if each.value is not None}


def _unless_empty(name: str, part: Document) -> Document:
    return {name: part} if part else {}
