"""Throttling of failed logins, per client address."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from multidict import MultiMapping

from api.auth.auth_cache import AuthCache
from api.auth.authentication import TokenStore, authenticate
from api.auth.tokens import Token
from api.errors import NotLoggedInError, NoTokensError, Rejections, TooManyRequestsError
from api.limits.minute_counts import MinuteCounts
from api.limits.rate_limit_status import RateLimitStatus
from httpd.addresses import Origin

MAX_ADDRESSES: Final = 10_000
"""How many client addresses with failed logins are counted separately in a minute."""
STALE_AFTER: Final = timedelta(seconds=10)


class TokenSnapshot:
    """A copy of the store's tokens, read at most once per `STALE_AFTER` for any number of requests.

    Tokens in the copy may have been revoked since: a match alone must not authenticate a request.
    """

    def __init__(self, tokens: TokenStore, clock: Callable[[], datetime]) -> None:
        self._tokens = tokens
        self._clock = clock
        self._copy: Mapping[str, Token] = {}
        self._read_at = datetime.min.replace(tzinfo=UTC)
        self._refreshing = asyncio.Lock()

    async def find(self, digest: str) -> Token | None:
        """Return a token, after a refresh of a stale copy if it is missing: it may be new.

        Raises `TokensUnavailableError`.
        """
        if digest not in self._copy:
            async with self._refreshing:  # waiting requests find the copy fresh and do not read it again
                await self._refresh()
        return self._copy.get(digest)

    async def _refresh(self) -> None:
        now = self._clock()
        if abs(now - self._read_at) < STALE_AFTER:
            return
        copy = {token.digest: token for token in await self._tokens.list()}
        if not copy:
            raise NoTokensError
        self._copy, self._read_at = copy, now


class LoginThrottle:
    """Authenticates requests. After `per_minute` failures of an address its further failures cost little.

    An address may be shared by a whole company, so a valid token is accepted from every address. A
    `per_minute` of 0 is no limit.
    """

    def __init__(
        self,
        tokens: TokenStore,
        *,
        cache: AuthCache,
        clock: Callable[[], datetime],
        per_minute: int,
        rejections: Rejections,
    ) -> None:
        self._tokens = tokens
        self._snapshot = TokenSnapshot(tokens, clock)
        self._cache = cache
        self._per_minute = per_minute
        self._rejections = rejections
        self._failures = MinuteCounts(max_names=MAX_ADDRESSES)

    async def authenticate(
        self, headers: MultiMapping[str], find_origin: Callable[[], Origin | None], now: datetime
    ) -> Token:
        """Return the token of a request; `find_origin` is called only if the credentials are not cached.

        Raises `NotLoggedInError`, or `TooManyRequestsError` instead once the address has failed too often.
        """
        # The cache never rejects: a request that fails is always checked by the store, and takes as long.
        cached = self._cache.get(headers, now)
        return cached or await self._cache.load(headers, self._check(headers, find_origin(), now))

    async def _check(self, headers: MultiMapping[str], origin: Origin | None, now: datetime) -> Token:
        try:
            if self._per_minute and self._failures.get(origin, now) >= self._per_minute:
                # Checked before the store: a failure of a throttled address costs the store nothing.
                await authenticate(headers, self._snapshot, now)
            # The store decides: a token that was just revoked is still in the snapshot.
            return await authenticate(headers, self._tokens, now)
        except NotLoggedInError as error:
            self._rejections.failed_logins[error.failure] += 1
            status = RateLimitStatus(self._per_minute, self._failures.add(origin, now), now)
            if self._per_minute and status.is_exceeded:
                raise TooManyRequestsError("address", status) from error
            raise
