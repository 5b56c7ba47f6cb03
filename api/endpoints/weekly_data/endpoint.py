"""The endpoint `chat-busier/weekly-data`: distinct active users on each of eight days."""

from functools import partial
from typing import Final
from zoneinfo import ZoneInfo

import orjson

from api.auth.authentication import VIEW_ENGAGEMENT_DASHBOARD
from api.cache.answer_cache import AnswerCache
from api.cache.ttl_cache import Timer
from api.endpoints.cached_endpoint import CachedEndpoint
from api.endpoints.weekly_data.contract import (
    PRECISION,
    WEEKLY_DATA_PATH,
    Window,
    answer_headers,
    render_weekly_data,
    window_of,
)
from httpd.cached_response import CachedResponse
from httpd.responses import HEADERS
from projector.views.daily import View

_VARY: Final = {"Vary": "X-Auth-Token, X-User-Id"}


def weekly_data(
    view: View, time_zone: ZoneInfo, timer: Timer, *, timeout_seconds: float
) -> CachedEndpoint[Window]:
    """Build the endpoint; no request joins a read of the counters that takes longer than the timeout."""
    return CachedEndpoint(
        path=WEEKLY_DATA_PATH,
        permission=VIEW_ENGAGEMENT_DASHBOARD,
        parse=partial(window_of, time_zone=time_zone),
        answers=AnswerCache(partial(_read, view), timer, timeout_seconds=timeout_seconds),
    )


async def _read(view: View, workspace_id: str, window: Window) -> CachedResponse:
    counts = await view.daily_counts(workspace_id, window)
    headers = answer_headers(counts)
    # As-of is not part of the ETag: it advances each second while the numbers stay the same.
    return CachedResponse.of(
        orjson.dumps(render_weekly_data(window, counts.users)),
        {**HEADERS, **_VARY, **headers},
        claims=headers[PRECISION],
    )
