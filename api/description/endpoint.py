"""The description as it is served: it is the same for everybody, and changes only with a version."""

from functools import cache
from typing import Final

import orjson
from aiohttp import web

from api.description.document import openapi_document
from api.responses import json_response

# Unlike every other answer, it depends on nobody's token.
_CACHING: Final = {"Cache-Control": "public, max-age=3600"}


async def get_openapi(_request: web.Request) -> web.Response:
    """Answer with the OpenAPI document of this very API."""
    return json_response(_document(), headers=_CACHING)


@cache
def _document() -> orjson.Fragment:
    return orjson.Fragment(orjson.dumps(openapi_document()))
