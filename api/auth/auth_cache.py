"""A cache of successful logins: a revoked token is accepted for at most `FRESH_SECONDS` longer."""

import hashlib
from collections.abc import Awaitable
from datetime import datetime
from typing import Final

from multidict import MultiMapping

from api.auth.authentication import credentials_of
from api.auth.tokens import Token
from api.cache.ttl_cache import Timer, TTLCache
from api.errors import NotLoggedInError

FRESH_SECONDS: Final = 4.0
"""Counted from before the store was read. A revoked token must be rejected within 5 s."""
MAX_LOGINS: Final = 10_000


class AuthCache:
    """Caches the token that a pair of credentials authenticated; failed logins and errors are not cached."""

    def __init__(self, timer: Timer) -> None:
        self._cache = TTLCache[bytes, Token](seconds=FRESH_SECONDS, max_entries=MAX_LOGINS, timer=timer)

    def get(self, headers: MultiMapping[str], now: datetime) -> Token | None:
        """Return the cached token of exactly these credentials, unless the token has expired.

        None does not mean that the credentials are invalid: they must be checked.
        """
        try:
            token = self._cache.get(_digest(headers))
        except NotLoggedInError:
            return None
        return None if token is None or token.is_expired(now) else token

    async def load(self, headers: MultiMapping[str], login: Awaitable[Token]) -> Token:
        """Await a login that has not started yet, cache its token and return it."""
        read_at = self._cache.timer()
        token = await login
        self._cache.put(_digest(headers), token, read_at=read_at)
        return token


def _digest(headers: MultiMapping[str]) -> bytes:
    """Return a hash of the credentials; the length prefix keeps two different pairs from hashing alike."""
    user_id, secret = credentials_of(headers)
    return hashlib.sha256(f"{len(user_id)} {user_id}{secret}".encode("utf-8", "surrogatepass")).digest()
