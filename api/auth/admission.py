"""Admission of requests: authentication, then the rate limit. Endpoints check permissions afterwards."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from aiohttp import web

from api.auth.auth_cache import AuthCache
from api.auth.authentication import BYPASS_RATE_LIMIT, TokenStore
from api.auth.client_address import client_address
from api.auth.login_throttle import LoginThrottle
from api.auth.tokens import Token
from api.errors import Rejections, TooManyRequestsError
from api.limits.rate_limit_status import RateLimiter, RateLimitStatus
from api.routing import RateLimit, route_of
from httpd.addresses import Network, Origin, origin_of

RATE_LIMIT_STATUS: Final[web.RequestKey[RateLimitStatus]] = web.RequestKey("rate_limit_status")
"""The status of the token's rate limit, sent with every response to the request, errors included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientLimits:
    """The limits for the API's clients; by default only the deadline, after which a request is answered 503.

    `requests` limits the requests of a token. `failed_logins_per_minute` limits one client address; 0 is no
    limit. `trusted_proxies` are the peers whose X-Forwarded-For is used to find that address.
    """

    requests: RateLimiter | None = None
    deadline: timedelta = timedelta(seconds=1)
    failed_logins_per_minute: int = 0
    trusted_proxies: tuple[Network, ...] = ()


class Admission:
    """Admits requests to the routes that are not public; `rejections` counts the refused ones."""

    def __init__(
        self, tokens: TokenStore, cache: AuthCache, *, limits: ClientLimits, clock: Callable[[], datetime]
    ) -> None:
        self.rejections: Final = Rejections()
        self._limits = limits
        self._clock = clock
        self._logins = LoginThrottle(
            tokens,
            cache=cache,
            clock=clock,
            per_minute=limits.failed_logins_per_minute,
            rejections=self.rejections,
        )

    async def admit(self, request: web.Request) -> Token:
        """Authenticate a request, and count it if its route is rate limited.

        Raises `NotLoggedInError`, `TooManyRequestsError`, or `TokensUnavailableError` and
        `RateLimitUnavailableError` if Redis cannot be asked.
        """
        try:
            return await self._admit(request)
        except TooManyRequestsError as error:
            self.rejections.rate_limited[error.by] += 1
            raise

    def spend(self, token: Token, now: datetime) -> str | None:
        """Count a request without waiting and return the header lines of its rate limit.

        None: the request was not counted and must be admitted by `admit`.
        """
        if not self._limits.requests or BYPASS_RATE_LIMIT in token.permissions:
            return ""
        status = self._limits.requests.spend(token.id, now)
        return None if status is None else status.lines

    async def _admit(self, request: web.Request) -> Token:
        now = self._clock()
        token = await self._logins.authenticate(request.headers, partial(self._origin, request), now)
        if self._limits.requests and _is_limited(request, token):
            status = await self._limits.requests.count(token.id, now)
            request[RATE_LIMIT_STATUS] = status
            if status.is_exceeded:
                raise TooManyRequestsError("token", status)
        return token

    def _origin(self, request: web.Request) -> Origin | None:
        forwarded_for = request.headers.getall("X-Forwarded-For", [])
        address = client_address(request.remote, forwarded_for, self._limits.trusted_proxies)
        return None if address is None else origin_of(address)


def _is_limited(request: web.Request, token: Token) -> bool:
    route = route_of(request)
    rate_limit = RateLimit.BY_TOKEN if route is None else route.rate_limit
    return rate_limit is RateLimit.BY_TOKEN and BYPASS_RATE_LIMIT not in token.permissions
