"""What a request may not bring along: a body, which no route takes."""

from collections.abc import Awaitable, Callable

from aiohttp import hdrs, web

from httpd.error_responses import response_to
from httpd.limits import Limits
from httpd.stats import Cause, ConnectionStats

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


def limit_bodies(handle: Handler, limits: Limits, stats: ConnectionStats) -> Handler:
    """Wrap a server's handler: a request with a body beyond the bound is refused, unread."""

    def answer(request: web.BaseRequest) -> Awaitable[web.StreamResponse]:
        if request.body_exists and _is_beyond(request, limits.body_bytes):
            return _refuse(stats)
        return handle(request)

    return answer


async def _refuse(stats: ConnectionStats) -> web.StreamResponse:
    stats.refused[Cause.BODY] += 1
    return response_to(Cause.BODY)


def _is_beyond(request: web.BaseRequest, body_bytes: int) -> bool:
    # To aiohttp, whatever follows a CONNECT is its body; that it is no method of ours is said by the router.
    if request.method == hdrs.METH_CONNECT:
        return False
    # A chunked body has no length, and no bound that could be known.
    return request.content_length is None or request.content_length > body_bytes
