"""The fast path: answers polls from the cache before aiohttp's routing.

Routing, middlewares and a deadline cost several times as much as a cached answer. Every check of the ordinary
path applies; a request that fails one, or needs a read, takes the ordinary path, which reports the error.
"""

import time
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import Any, Final

from aiohttp import hdrs, web

from api.auth.admission import Admission
from api.auth.auth_cache import AuthCache
from api.endpoints.cached_endpoint import CachedEndpoint
from api.errors import ApiError

Handle = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
Record = Callable[[str, int, float], None]
"""Records a response: its route, its status and its duration in seconds."""

_METHODS: Final = frozenset({hdrs.METH_GET, hdrs.METH_HEAD})


def record_nothing(_route: str, _status: int, _seconds: float) -> None:
    """Record nothing."""


class CachedResponder:
    """Answers requests for cached endpoints that need no waiting; `record` records each response."""

    def __init__(
        self,
        logins: AuthCache,
        admission: Admission,
        endpoints: Iterable[CachedEndpoint[Any]],
        *,
        clock: Callable[[], datetime],
    ) -> None:
        self.record: Record = record_nothing
        self._logins = logins
        self._admission = admission
        self._endpoints = {endpoint.path: endpoint for endpoint in endpoints}
        self._clock = clock

    def wrap(self, handle: Handle) -> Handle:
        """Wrap a server's handler, which gets every request that cannot be answered at once."""

        async def answer(request: web.BaseRequest) -> web.StreamResponse:
            return self.respond(request) or await handle(request)

        return answer

    def respond(self, request: web.BaseRequest) -> web.StreamResponse | None:
        """Answer a request; None, without counting it, if it must take the ordinary path."""
        endpoint = self._endpoints.get(request.rel_url.raw_path)
        if endpoint is None or request.method not in _METHODS:
            return None
        started = time.perf_counter()
        try:
            response = self._respond(endpoint, request)
        except ApiError:
            return None
        if response is not None:
            self.record(endpoint.path, response.status, time.perf_counter() - started)
        return response

    def _respond(self, endpoint: CachedEndpoint[Any], request: web.BaseRequest) -> web.StreamResponse | None:
        now = self._clock()
        token = self._logins.get(request.headers, now)
        if token is None:
            return None
        answer = endpoint.get_cached(token, request)
        if answer is None or hdrs.EXPECT in request.headers:
            return None
        # Last, since it counts the request: one that took the ordinary path afterwards would count twice.
        lines = self._admission.spend(token, now)
        return None if lines is None else answer.response_to(request, lines)


FAST_PATH: Final[web.AppKey[CachedResponder]] = web.AppKey("fast_path")
