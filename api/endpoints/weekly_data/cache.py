"""The answers of weekly-data: read and rendered at most a few times a second for a workspace and window."""

from typing import Final

import orjson

from api.cache.single_flight import SingleFlight
from api.cache.ttl_cache import Timer, TTLCache
from api.endpoints.weekly_data.contract import PRECISION, Window, claims, render_weekly_data
from httpd.cached_response import CachedResponse
from httpd.responses import HEADERS
from projector.views.daily import DailyCounts, View

FRESH_SECONDS: Final = 0.25
"""No answer is older, counted from before its counters were read. A second is promised; but an event is to
show as soon as it is counted, and a few readings a second cost Redis next to nothing."""
RENEWED_AFTER_SECONDS: Final = 0.1
"""Whoever asks from then on is answered, and has it read anew: so that no poller waits for a reading."""
MAX_ANSWERS: Final = 10_000

_NONE: Final = (None, 0.0)
_VARY: Final = {"Vary": "X-Auth-Token, X-User-Id"}


Question = tuple[str, Window]
"""Whose days, and which: a workspace's id, and the days."""


class WeeklyDataCache:
    """Answers all who ask the same from one reading; that there is no answer is told, and not kept."""

    def __init__(self, view: View, timer: Timer, *, patience_seconds: float) -> None:
        self._view = view
        self._timer = timer
        self._recent = TTLCache[Question, tuple[CachedResponse, float]](
            seconds=FRESH_SECONDS, max_entries=MAX_ANSWERS, timer=timer
        )
        self._single_flight = SingleFlight(self._read, seconds=patience_seconds, timer=timer)

    async def find(self, workspace_id: str, window: Window) -> CachedResponse:
        """Return the answer; raises as `View.daily_counts` does, and `TimeoutError`."""
        recalled = self.recall(workspace_id, window)
        return recalled or await self._single_flight.join((workspace_id, window))

    def recall(self, workspace_id: str, window: Window) -> CachedResponse | None:
        """Return the answer if it is fresh, without waiting."""
        question = (workspace_id, window)
        answer, renewed_at = self._recent.get(question) or _NONE
        if answer is not None and self._timer() >= renewed_at:
            self._single_flight.begin(question)
        return answer

    async def _read(self, question: Question) -> CachedResponse:
        asked_at = self._timer()
        workspace_id, window = question
        answer = _render(window, await self._view.daily_counts(workspace_id, window))
        self._recent.keep(question, (answer, asked_at + RENEWED_AFTER_SECONDS), asked_at=asked_at)
        return answer


def _render(window: Window, counts: DailyCounts) -> CachedResponse:
    told = claims(counts)
    # The instant is not in the tag: it moves on each second, and says the same of the same numbers.
    return CachedResponse.of(
        orjson.dumps(render_weekly_data(window, counts.users)),
        {**HEADERS, **_VARY, **told},
        claims=told[PRECISION],
    )
