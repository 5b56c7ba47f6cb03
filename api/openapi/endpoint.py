"""The description as it is served: it is the same for everybody, and changes only with a version."""

import gzip
from functools import cache
from typing import Final

import orjson
from aiohttp import hdrs, web

from api.compression import takes_gzip
from api.openapi.document import openapi_document
from httpd.cached_response import CachedResponse
from httpd.responses import HEADERS

# Unlike every other answer, it depends on nobody's token.
_CACHING: Final = {"Cache-Control": "public, max-age=3600", "Vary": "Accept-Encoding"}


async def get_openapi(request: web.Request) -> web.StreamResponse:
    """Answer with the OpenAPI document of this very API."""
    prepare = _compressed if takes_gzip(request.headers.getall(hdrs.ACCEPT_ENCODING, ())) else _plain
    return prepare().response_to(request)


@cache
def _plain() -> CachedResponse:
    return CachedResponse.of(_document(), {**HEADERS, **_CACHING})


@cache
def _compressed() -> CachedResponse:
    body = gzip.compress(_document(), mtime=0)  # the same bytes, and so the same tag, in every process
    return CachedResponse.of(body, {**HEADERS, **_CACHING, "Content-Encoding": "gzip"})


def _document() -> bytes:
    return orjson.dumps(openapi_document())
