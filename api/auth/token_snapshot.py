"""All tokens as they were a moment ago: tells wrong from right where the store is not to be asked."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from api.auth.authentication import TokenStore
from api.auth.tokens import Token
from api.errors import NoTokensError

STALE_AFTER: Final = timedelta(seconds=10)


class TokenSnapshot:
    """A copy of the store's tokens, read again at most every `STALE_AFTER`, however many ask.

    A token may have been revoked since: to be found here opens nothing by itself.
    """

    def __init__(self, tokens: TokenStore, clock: Callable[[], datetime]) -> None:
        self._tokens = tokens
        self._clock = clock
        self._copy: Mapping[str, Token] = {}
        self._read_at = datetime.min.replace(tzinfo=UTC)
        self._reading = asyncio.Lock()

    async def find(self, digest: str) -> Token | None:
        """Look a token up; one that is missing may be new, so the copy must not be stale then.

        Raises `TokensUnavailableError`.
        """
        if digest not in self._copy:
            async with self._reading:  # those who wait find the copy fresh, and do not read it once more
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
