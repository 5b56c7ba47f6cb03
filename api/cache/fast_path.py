"""Prompt answers: a poller's question that nobody need be asked for, answered before aiohttp begins with it.

Routing, middlewares and a deadline cost several times what such an answer does. So it is given past them,
with every check that there is; whatever does not pass, or is not known any more, goes the long way, which
says what is wrong.
"""

import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from aiohttp import hdrs, web

from api.auth.admission import Admission
from api.auth.auth_cache import AuthCache
from api.auth.authentication import VIEW_ENGAGEMENT_DASHBOARD, authorise
from api.endpoints.weekly_data.cache import WeeklyDataCache
from api.endpoints.weekly_data.contract import WEEKLY_DATA_PATH, window_asked
from api.errors import ApiError

Handle = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
Note = Callable[[str, int, float], None]
"""Is told of an answer: its route, its status, and how many seconds it took."""

_METHODS: Final = frozenset({hdrs.METH_GET, hdrs.METH_HEAD})


def note_nothing(_route: str, _status: int, _seconds: float) -> None:
    """Leave an answer unmeasured."""


class CachedResponder:
    """Answers weekly-data where that needs no waiting. `note` is told of each answer."""

    def __init__(
        self,
        logins: AuthCache,
        admission: Admission,
        answers: WeeklyDataCache,
        *,
        time_zone: ZoneInfo,
        clock: Callable[[], datetime],
    ) -> None:
        self.note: Note = note_nothing
        self._logins = logins
        self._admission = admission
        self._answers = answers
        self._time_zone = time_zone
        self._clock = clock

    def before(self, handle: Handle) -> Handle:
        """Wrap a server's handler: what can't be answered at once is left to it."""

        async def answer(request: web.BaseRequest) -> web.StreamResponse:
            return self.find(request) or await handle(request)

        return answer

    def find(self, request: web.BaseRequest) -> web.StreamResponse | None:
        """Answer a request, None where it must go the long way; then nothing was counted of it."""
        if request.method not in _METHODS or request.rel_url.raw_path != WEEKLY_DATA_PATH:
            return None
        started = time.perf_counter()
        try:
            response = self._find(request)
        except ApiError:
            return None
        if response is not None:
            self.note(WEEKLY_DATA_PATH, response.status, time.perf_counter() - started)
        return response

    def _find(self, request: web.BaseRequest) -> web.StreamResponse | None:
        now = self._clock()
        token = self._logins.recall(request.headers, now)
        if token is None:
            return None
        authorise(token, VIEW_ENGAGEMENT_DASHBOARD)
        window = window_asked(request.rel_url, self._time_zone)
        answer = self._answers.recall(token.workspace_id, window)
        if answer is None or hdrs.EXPECT in request.headers:
            return None
        # Last, since it counts the request: nothing may send it the long way after this, to be counted again.
        told = self._admission.spend(token, now)
        return None if told is None else answer.response_to(request, told)
