"""What RFC 9112 has a server refuse and aiohttp's parser accepts."""

import re
from collections.abc import Awaitable
from typing import Final

from aiohttp import HttpVersion10, hdrs, web

from httpd.body_limit import Handler
from httpd.connection import Connection, connection_of
from httpd.error_responses import response_to
from httpd.stats import Cause

# RFC 9112, section 3.2 refers to RFC 3986, section 3.2: an address in brackets or a name, and a port.
_HOST: Final = re.compile(r"(?:\[[0-9A-Za-z:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]*)(?::[0-9]*)?")


def check_requests(handle: Handler) -> Handler:
    """Wrap a server's handler: a malformed request is refused, and the connection ends."""

    async def refuse(connection: Connection, cause: Cause) -> web.StreamResponse:
        connection.count(cause)
        return response_to(cause)

    async def answer_last(request: web.BaseRequest) -> web.StreamResponse:
        response = await handle(request)
        response.force_close()
        return response

    def answer(request: web.BaseRequest) -> Awaitable[web.StreamResponse]:
        connection = connection_of(request)
        cause = connection.next_cause() or _malformed(request)
        if cause is not None:
            return refuse(connection, cause)
        # What follows a CONNECT is for the tunnel that it did not get: never read it as another request.
        if request.method == hdrs.METH_CONNECT or _loses_pipelined(connection, request):
            return answer_last(request)
        return handle(request)

    return answer


def _loses_pipelined(connection: Connection, request: web.BaseRequest) -> bool:
    return hdrs.UPGRADE in request.headers and connection.loses_pipelined()


def _malformed(request: web.BaseRequest) -> Cause | None:
    # RFC 9112, section 3.2: 400. That it is there, and once, the parser sees to.
    if not _HOST.fullmatch(request.headers.get(hdrs.HOST, "")):
        return Cause.BAD_HEAD
    # HTTP/1.0 has no chunks: RFC 9112, section 6.1, calls the framing faulty.
    if request.version == HttpVersion10 and hdrs.TRANSFER_ENCODING in request.headers:
        return Cause.BAD_HEAD
    return None
