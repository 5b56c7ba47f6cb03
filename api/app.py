"""The application: its routes, and who may call each."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from aiohttp import web

from api.access import Access, Route, add_routes
from api.authentication import TokenStore
from api.contract import WEEKLY_DATA_PATH
from api.health import get_livez, get_readyz
from api.middlewares import answer_errors, keep_deadline
from api.resources import CLOCK, DEADLINE, TIME_ZONE, TOKENS, VIEW
from api.weekly_data import get_weekly_data
from projector.view import View

ROUTES: Final = (
    Route(WEEKLY_DATA_PATH, get_weekly_data, Access.TOKEN),
    Route("/livez", get_livez, Access.PUBLIC),
    Route("/readyz", get_readyz, Access.PUBLIC),
)


def create_app(
    *,
    view: View,
    tokens: TokenStore,
    time_zone: ZoneInfo,
    clock: Callable[[], datetime],
    deadline: timedelta = timedelta(seconds=1),
) -> web.Application:
    """Build the app. It opens nothing and closes nothing: `view` and `tokens` belong to the caller.

    `time_zone` is the deployment's: it decides which day a `start` lies in, as it decided the day of an
    event. A request that takes longer than `deadline` is answered with 503.
    """
    app = web.Application(middlewares=[answer_errors, keep_deadline])
    app[VIEW] = view
    app[TOKENS] = tokens
    app[TIME_ZONE] = time_zone
    app[CLOCK] = clock
    app[DEADLINE] = deadline
    add_routes(app, ROUTES)
    return app
