"""Letting a request in: first who asks, then whether they ask too often. What they may do comes after."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from aiohttp import web

from api.auth.auth_cache import AuthCache
from api.auth.authentication import BYPASS_RATE_LIMIT, TokenStore
from api.auth.client_address import Networks, address_block, client_address
from api.auth.login_throttle import LoginThrottle
from api.auth.token_snapshot import TokenSnapshot
from api.auth.tokens import Token
from api.errors import TooManyRequestsError
from api.limits.rate_limit_status import RateLimiter, RateLimitStatus
from api.limits.rejections import Rejections
from api.routing import Limit, decision_of

RATE_LIMIT_STATUS: Final[web.RequestKey[RateLimitStatus]] = web.RequestKey("allowance")
"""What is left to the request's token: told in every answer, whatever becomes of the request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What clients are held to; as it stands, to nothing but the deadline, after which they are told 503.

    `failed_logins_per_minute` is for one client address, 0 for no bound. `trusted_proxies` are the peers
    whose X-Forwarded-For says what that address is.
    """

    requests: RateLimiter | None = None
    deadline: timedelta = timedelta(seconds=1)
    failed_logins_per_minute: int = 0
    trusted_proxies: Networks = ()


class Admission:
    """The way into every route that is not public; `refusals` counts whom it did not let in."""

    def __init__(
        self, tokens: TokenStore, recent: AuthCache, *, bounds: Bounds, clock: Callable[[], datetime]
    ) -> None:
        self.rejections: Final = Rejections()
        self._bounds = bounds
        self._clock = clock
        self._logins = LoginThrottle(
            tokens,
            recent=recent,
            known=TokenSnapshot(tokens, clock),
            per_minute=bounds.failed_logins_per_minute,
            rejections=self.rejections,
        )

    async def admit(self, request: web.Request) -> Token:
        """Find the token of a request, and count the request if its route is limited.

        Raises `NotLoggedInError`, `TooManyRequestsError`, and what says that either can't be told.
        """
        try:
            return await self._admit(request)
        except TooManyRequestsError as error:
            self.rejections.rate_limited[error.by] += 1
            raise

    def spend(self, token: Token, now: datetime) -> str | None:
        """Count a request, and return lines that tell of its limit; None, uncounted, where `admit` must."""
        if not self._bounds.requests or BYPASS_RATE_LIMIT in token.permissions:
            return ""
        rate_limit_status = self._bounds.requests.spend(token.id, now)
        return None if rate_limit_status is None else rate_limit_status.lines

    async def _admit(self, request: web.Request) -> Token:
        now = self._clock()
        token = await self._logins.enter(request.headers, partial(self._address_block, request), now)
        if self._bounds.requests and _is_limited(request, token):
            rate_limit_status = await self._bounds.requests.count(token.id, now)
            request[RATE_LIMIT_STATUS] = rate_limit_status
            if rate_limit_status.is_exceeded:
                raise TooManyRequestsError("token", rate_limit_status)
        return token

    def _address_block(self, request: web.Request) -> str:
        forwarded_for = request.headers.getall("X-Forwarded-For", [])
        return address_block(client_address(request.remote, forwarded_for, self._bounds.trusted_proxies))


def _is_limited(request: web.Request, token: Token) -> bool:
    resource = request.match_info.route.resource
    limit = decision_of(request.app, resource).limit if resource else Limit.BY_TOKEN
    return limit is Limit.BY_TOKEN and BYPASS_RATE_LIMIT not in token.permissions
