"""The application: its routes, who may call each, and how often."""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from aiohttp import web

from api.access import Access, Limit, Route, add_routes
from api.admission import Admission, Bounds
from api.authentication import TokenStore
from api.contract import WEEKLY_DATA_PATH
from api.description.document import LIVEZ_PATH, OPENAPI_PATH, READYZ_PATH
from api.description.endpoint import get_openapi
from api.health import get_livez, get_readyz
from api.middlewares import answer_errors, keep_deadline, tell_allowance
from api.prompt import PromptAnswers
from api.recent import Timer
from api.recent_logins import RecentLogins
from api.resources import ADMISSION, ANSWERS, CLOCK, DEADLINE, PROMPT, TIME_ZONE, TOKENS, VIEW
from api.weekly_answers import WeeklyAnswers
from api.weekly_data import get_weekly_data
from projector.view import View

ROUTES: Final = (
    Route(WEEKLY_DATA_PATH, get_weekly_data, Access.TOKEN, Limit.BY_TOKEN),
    Route(LIVEZ_PATH, get_livez, Access.PUBLIC, Limit.NONE),
    Route(READYZ_PATH, get_readyz, Access.PUBLIC, Limit.NONE),
    Route(OPENAPI_PATH, get_openapi, Access.PUBLIC, Limit.NONE),
)


def create_app(
    *,
    view: View,
    tokens: TokenStore,
    time_zone: ZoneInfo,
    clock: Callable[[], datetime],
    timer: Timer = time.monotonic,
    bounds: Bounds = Bounds(),  # noqa: B008 - frozen, as `timedelta` is
) -> web.Application:
    """Build the app. It opens nothing and closes nothing: `view`, `tokens` and `bounds` belong to the caller.

    `time_zone` is the deployment's: it decides which day a `start` lies in, as it decided the day of an
    event. `clock` tells the time of day, by which tokens expire and minutes begin; by `timer` what was read
    grows old.
    """
    app = web.Application(middlewares=[tell_allowance, answer_errors, keep_deadline])
    logins = RecentLogins(timer)
    app[ADMISSION] = Admission(tokens, logins, bounds=bounds, clock=clock)
    app[ANSWERS] = WeeklyAnswers(view, timer, patience_seconds=bounds.deadline.total_seconds())
    app[PROMPT] = PromptAnswers(logins, app[ADMISSION], app[ANSWERS], time_zone=time_zone, clock=clock)
    app[VIEW] = view
    app[TOKENS] = tokens
    app[TIME_ZONE] = time_zone
    app[CLOCK] = clock
    app[DEADLINE] = bounds.deadline
    add_routes(app, ROUTES)
    return app
