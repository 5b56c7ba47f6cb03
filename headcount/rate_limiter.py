"""The rate limit in Redis: one count a token and minute, shared by every process of the API."""

from datetime import datetime
from typing import Any, Final

import structlog
from limits.aio.storage import RedisStorage
from redis.asyncio import Redis
from redis.exceptions import RedisError

from api.allowance import MINUTE_SECONDS, Allowance, minute_of
from api.errors import RateLimitUnavailableError
from api.minute_counts import MinuteCounts
from projector import keys
from projector.errors import refuses_writes, words

MAX_TOKENS: Final = 100_000
"""How many tokens' requests are told apart while this process counts alone."""
_KEPT_SECONDS: Final = 2 * MINUTE_SECONDS
"""Longer than a minute lasts for all processes together, whose clocks are not quite the same."""

_log = structlog.get_logger(__name__)


class RedisRateLimiter:
    """Counts with the storage of `limits`, in one round trip on the connections of our own client.

    Its strategies would take three: they ask for the count and for the window's end once more. Here the
    window is the minute of the clock, so its end is known. While Redis answers and takes no writes (full,
    read-only, failing to save) the process counts for itself: readers are answered, and still bounded.
    """

    def __init__(self, redis: Redis, *, per_minute: int) -> None:
        options: dict[str, Any] = {"connection_pool": redis.connection_pool}
        self._storage = RedisStorage(
            "redis://", implementation="redispy", key_prefix=keys.REQUESTS, **options
        )
        self._per_minute = per_minute
        self._own = MinuteCounts(max_names=MAX_TOKENS)
        self._is_alone = False

    async def count(self, token_id: str, now: datetime) -> Allowance:
        """Count one more request of the token; raises `RateLimitUnavailableError`."""
        try:
            used = await self._storage.incr(keys.requests(token_id, minute_of(now)), _KEPT_SECONDS)
        except (RedisError, OSError) as error:
            used = self._count_alone(token_id, now, error)
        else:
            self._is_alone = False
        return Allowance(self._per_minute, used, now)

    def _count_alone(self, token_id: str, now: datetime, error: RedisError | OSError) -> int:
        if not (isinstance(error, RedisError) and refuses_writes(error)):
            raise RateLimitUnavailableError("Redis can't count requests") from error
        if not self._is_alone:
            self._is_alone = True
            _log.warning("Redis takes no writes: each API process limits requests alone", cause=words(error))
        return self._own.add(token_id, now)
