"""The keys of the application's dependencies, which handlers read from it."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from aiohttp import web

from api.auth.admission import Admission
from api.auth.authentication import TokenStore
from projector.views.daily import View

ADMISSION: Final[web.AppKey[Admission]] = web.AppKey("admission")
VIEW: Final[web.AppKey[View]] = web.AppKey("view")
TOKENS: Final[web.AppKey[TokenStore]] = web.AppKey("tokens")
CLOCK: Final[web.AppKey[Callable[[], datetime]]] = web.AppKey("clock")
