"""Conditional requests: the tag of an answer, and what is told to who has that answer already."""

from http import HTTPStatus
from typing import Final

from api.openapi.schemas import Document

_TAG: Final = (
    "Changes exactly if the body does, or what is claimed of it; not with the instant up to which events are "
    "counted, which a 304 tells anew."
)
_ASKED: Final = (
    "Tags of answers that the client has; where one of them is this answer's, it is not sent again."
)


def tag_header() -> Document:
    schema = {"type": "string", "pattern": '^"[0-9a-f]{32}"$'}
    return {"ETag": {"description": _TAG, "required": True, "schema": schema}}


def tag_parameter() -> Document:
    """Describe If-None-Match."""
    return {
        "name": "If-None-Match",
        "in": "header",
        "required": False,
        "description": _ASKED,
        "schema": {"type": "string"},
    }


def unchanged(headers: Document) -> Document:
    """Lay out the answer to who has it already: the headers of one in whole, without a body."""
    status = HTTPStatus.NOT_MODIFIED
    return {str(status.value): {"description": status.phrase, "headers": headers}}
