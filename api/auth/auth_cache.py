"""Logins that succeeded a moment ago: what is revoked goes on working for as long, and no longer."""

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
"""Counted from before the store was asked. A token that is revoked is to stop working within 5 s."""
MAX_LOGINS: Final = 10_000


class AuthCache:
    """Remembers which credentials opened which token: never that some opened none, nor an error."""

    def __init__(self, timer: Timer) -> None:
        self._recent = TTLCache[bytes, Token](seconds=FRESH_SECONDS, max_entries=MAX_LOGINS, timer=timer)

    def recall(self, headers: MultiMapping[str], now: datetime) -> Token | None:
        """Return the token that the very same credentials opened a moment ago, unless it has expired since.

        None says nothing: the credentials are to be checked.
        """
        try:
            token = self._recent.get(_digest(headers))
        except NotLoggedInError:
            return None
        return None if token is None or token.is_expired(now) else token

    async def remember(self, headers: MultiMapping[str], login: Awaitable[Token]) -> Token:
        """Wait for a login that has not begun yet, and remember what the credentials opened."""
        asked_at = self._recent.timer()
        token = await login
        self._recent.keep(_digest(headers), token, asked_at=asked_at)
        return token


def _digest(headers: MultiMapping[str]) -> bytes:
    """Name a pair of credentials by what can't be turned back into them, nor be brought about by others."""
    user_id, secret = credentials_of(headers)
    return hashlib.sha256(f"{len(user_id)} {user_id}{secret}".encode("utf-8", "surrogatepass")).digest()
