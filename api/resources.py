"""What handlers are given by whoever built the app."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from aiohttp import web

from api.auth.admission import Admission
from api.auth.authentication import TokenStore
from projector.views.daily import View

ADMISSION: Final[web.AppKey[Admission]] = web.AppKey("admission")
VIEW: Final[web.AppKey[View]] = web.AppKey("view")
TOKENS: Final[web.AppKey[TokenStore]] = web.AppKey("tokens")
TIME_ZONE: Final[web.AppKey[ZoneInfo]] = web.AppKey("time_zone")
CLOCK: Final[web.AppKey[Callable[[], datetime]]] = web.AppKey("clock")
DEADLINE: Final[web.AppKey[timedelta]] = web.AppKey("deadline")
