"""The OpenAPI 3.1 document."""

from collections.abc import Mapping
from http import HTTPStatus
from importlib.metadata import version
from typing import Final

from api.endpoints.weekly_data.contract import WEEKLY_DATA_PATH
from api.openapi.examples import livez_examples, openapi_examples, readyz_examples, weekly_data_examples
from api.openapi.responses import (
    Example,
    allowance_headers,
    claim_headers,
    responses,
    wait_header,
    without_content,
)
from api.openapi.schemas import Document, schemas
from api.openapi.start import start_parameter
from api.openapi.tags import tag_header, tag_parameter, unchanged

LIVEZ_PATH: Final = "/livez"
READYZ_PATH: Final = "/readyz"
OPENAPI_PATH: Final = "/openapi.json"

_AUTH_TOKEN: Final = {"type": "apiKey", "in": "header", "name": "x-auth-token", "description": "The token."}
_USER_ID: Final = {"type": "apiKey", "in": "header", "name": "x-user-id", "description": "Whose token it is."}
_COUNTED: Final = (
    HTTPStatus.OK,
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
"""The answers to requests that a rate limit may have counted."""


def openapi_document() -> Document:
    """Describe every route, with an example of each answer that it has."""
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
            LIVEZ_PATH: _open_path("livez", "Whether the process lives", livez_examples()),
            READYZ_PATH: _open_path("readyz", "Whether it can answer, and why not", readyz_examples()),
            OPENAPI_PATH: _openapi(),
        },
        "components": {
            "schemas": schemas(),
            "securitySchemes": {"authToken": _AUTH_TOKEN, "userId": _USER_ID},
        },
    }


def _weekly_data() -> Document:
    rate_limit_status = allowance_headers(*_COUNTED)
    wait = wait_header()
    told = claim_headers() | tag_header() | rate_limit_status[HTTPStatus.OK]
    headers = rate_limit_status | {
        HTTPStatus.OK: told,
        HTTPStatus.TOO_MANY_REQUESTS: wait | rate_limit_status[HTTPStatus.TOO_MANY_REQUESTS],
        HTTPStatus.SERVICE_UNAVAILABLE: wait | rate_limit_status[HTTPStatus.SERVICE_UNAVAILABLE],
    }
    operation = {
        "summary": "How many people were active on each of eight days",
        "description": (
            "Newest first; a day without anybody is left out. The workspace is the token's, which needs the"
            " permission view-engagement-dashboard. An answer is at most a second old."
        ),
        "security": [{"authToken": [], "userId": []}],
        "parameters": [start_parameter(), tag_parameter()],
    }
    return _path("weekly-data", operation, responses(weekly_data_examples(), headers) | unchanged(told))


def _openapi() -> Document:
    operation = {"summary": "This document", "security": [], "parameters": [tag_parameter()]}
    answers = responses(openapi_examples(), {HTTPStatus.OK: tag_header()})
    return _path("openapi", operation, answers | unchanged(tag_header()))


def _open_path(name: str, summary: str, examples: Mapping[str, Example]) -> Document:
    return _path(name, {"summary": summary, "security": []}, responses(examples, {}))


def _path(name: str, operation: Document, answers: Document) -> Document:
    return {
        "get": {"operationId": name, **operation, "responses": answers},
        "head": {"operationId": f"{name}-head", **operation, "responses": without_content(answers)},
    }
