"""Logging in: who asks is found out, and failed logins are bounded by the address they come from."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from multidict import MultiMapping

from api.auth.auth_cache import AuthCache
from api.auth.authentication import TokenStore, authenticate
from api.auth.token_snapshot import TokenSnapshot
from api.auth.tokens import Token
from api.errors import NotLoggedInError, TooManyRequestsError
from api.limits.minute_counts import MinuteCounts
from api.limits.rate_limit_status import RateLimitStatus
from api.limits.rejections import Rejections

MAX_ADDRESSES: Final = 10_000
"""How many addresses with failed logins are told apart in a minute."""


class LoginThrottle:
    """Lets tokens in. After `per_minute` failures of an address (0 is no bound) its further ones cost little.

    An address may be that of a whole company, so a valid token is let in from everywhere, always.
    """

    def __init__(
        self,
        tokens: TokenStore,
        *,
        recent: AuthCache,
        known: TokenSnapshot,
        per_minute: int,
        rejections: Rejections,
    ) -> None:
        self._tokens = tokens
        self._known = known
        self._recent = recent
        self._per_minute = per_minute
        self._refusals = rejections
        self._failures = MinuteCounts(max_names=MAX_ADDRESSES)

    async def enter(self, headers: MultiMapping[str], address_of: Callable[[], str], now: datetime) -> Token:
        """Find the token of a request; its address is found out only where it matters.

        Raises `NotLoggedInError`, or `TooManyRequestsError` instead once the address has failed too often.
        """
        # What is wrong is for the store to say, also of a token that was seen before: it takes as long then.
        recalled = self._recent.recall(headers, now)
        return recalled or await self._recent.remember(headers, self._ask(headers, address_of(), now))

    async def _ask(self, headers: MultiMapping[str], address: str, now: datetime) -> Token:
        try:
            return await self._authenticate(headers, address, now)
        except NotLoggedInError as error:
            self._refusals.failed_logins[error.failure] += 1
            rate_limit_status = RateLimitStatus(self._per_minute, self._failures.add(address, now), now)
            if self._per_minute and rate_limit_status.is_exceeded:
                raise TooManyRequestsError("address", rate_limit_status) from error
            raise

    async def _authenticate(self, headers: MultiMapping[str], address: str, now: datetime) -> Token:
        if self._per_minute and self._failures.get(address, now) >= self._per_minute:
            # Before the store is asked: what fails here costs it nothing, whatever is wrong with the token.
            await authenticate(headers, self._known, now)
        # The verdict is the store's: a token that was just revoked is still among the known ones.
        return await authenticate(headers, self._tokens, now)
