"""Letting a request in: first who asks, then whether they ask too often. What they may do comes after."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from aiohttp import web

from api.access import Limit, decision_of
from api.allowance import Allowance, RateLimiter
from api.authentication import BYPASS_RATE_LIMIT, TokenStore
from api.client_address import Networks, address_block, client_address
from api.errors import TooManyRequestsError
from api.known_tokens import KnownTokens
from api.logins import Logins
from api.recent_logins import RecentLogins
from api.refusals import Refusals
from api.tokens import Token

ALLOWANCE: Final[web.RequestKey[Allowance]] = web.RequestKey("allowance")
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
        self, tokens: TokenStore, recent: RecentLogins, *, bounds: Bounds, clock: Callable[[], datetime]
    ) -> None:
        self.refusals: Final = Refusals()
        self._bounds = bounds
        self._clock = clock
        self._logins = Logins(
            tokens,
            recent=recent,
            known=KnownTokens(tokens, clock),
            per_minute=bounds.failed_logins_per_minute,
            refusals=self.refusals,
        )

    async def admit(self, request: web.Request) -> Token:
        """Find the token of a request, and count the request if its route is limited.

        Raises `NotLoggedInError`, `TooManyRequestsError`, and what says that either can't be told.
        """
        try:
            return await self._admit(request)
        except TooManyRequestsError as error:
            self.refusals.rate_limited[error.by] += 1
            raise

    def spend(self, token: Token, now: datetime) -> str | None:
        """Count a request, and return lines that tell of its limit; None, uncounted, where `admit` must."""
        if not self._bounds.requests or BYPASS_RATE_LIMIT in token.permissions:
            return ""
        allowance = self._bounds.requests.spend(token.id, now)
        return None if allowance is None else allowance.lines

    async def _admit(self, request: web.Request) -> Token:
        now = self._clock()
        token = await self._logins.enter(request.headers, partial(self._address_block, request), now)
        if self._bounds.requests and _is_limited(request, token):
            allowance = await self._bounds.requests.count(token.id, now)
            request[ALLOWANCE] = allowance
            if allowance.is_exceeded:
                raise TooManyRequestsError("token", allowance)
        return token

    def _address_block(self, request: web.Request) -> str:
        forwarded_for = request.headers.getall("X-Forwarded-For", [])
        return address_block(client_address(request.remote, forwarded_for, self._bounds.trusted_proxies))


def _is_limited(request: web.Request, token: Token) -> bool:
    resource = request.match_info.route.resource
    limit = decision_of(request.app, resource).limit if resource else Limit.BY_TOKEN
    return limit is Limit.BY_TOKEN and BYPASS_RATE_LIMIT not in token.permissions
