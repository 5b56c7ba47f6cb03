"""The rate limit in Redis: one count a token and minute, of which every process of the API takes its part."""

import time
from datetime import datetime
from typing import Final

import structlog
from limits.aio.storage.redis.bridge import RedisBridge
from redis.asyncio import Redis
from redis.exceptions import RedisError

from api.cache.single_flight import SingleFlight
from api.errors import RateLimitUnavailableError
from api.limits.minute_counts import MinuteCounts
from api.limits.quota_lease import QuotaLease
from api.limits.rate_limit_status import MINUTE_SECONDS, RateLimitStatus, minute_of
from projector import keys
from projector.redis.errors import refuses_writes, words

MAX_TOKENS: Final = 100_000
"""Of how many tokens requests are taken in advance, and told apart while this process counts alone."""
_KEPT_SECONDS: Final = 2 * MINUTE_SECONDS
"""Longer than a minute lasts for all processes together, whose clocks are not quite the same."""
_PATIENCE_SECONDS: Final = 1.0
"""A request's deadline, or about that: what takes longer helps nobody who joins it."""

_log = structlog.get_logger(__name__)


class RedisRateLimiter:
    """Counts with the script of `limits`, on our own client: for many requests at once.

    The strategies of `limits` would take three round trips for each: they ask for the count and for the
    window's end once more. Here the window is the minute of the clock, so its end is known. While Redis
    answers and takes no writes (full, read-only, failing to save) the process counts for itself: readers are
    answered, and still bounded.
    """

    def __init__(self, redis: Redis, *, per_minute: int) -> None:
        self._incr = redis.register_script(RedisBridge.SCRIPT_INCR_EXPIRE)
        self._per_minute = per_minute
        self._own = MinuteCounts(max_names=MAX_TOKENS)
        self._is_alone = False
        self._minute = 0
        self._leases: dict[str, QuotaLease] = {}
        self._single_flight = SingleFlight(self._extend, seconds=_PATIENCE_SECONDS, timer=time.monotonic)

    def spend(self, token_id: str, now: datetime) -> RateLimitStatus | None:
        number = self._lease(token_id, minute_of(now)).spend()
        if number is None or number > self._per_minute:
            return None
        return RateLimitStatus(self._per_minute, number, now)

    async def count(self, token_id: str, now: datetime) -> RateLimitStatus:
        """Count one more request of the token; raises `RateLimitUnavailableError`."""
        lease = self._lease(token_id, minute_of(now))
        number = lease.spend() or await self._ask(lease, token_id, now)
        return RateLimitStatus(self._per_minute, number, now)

    async def _ask(self, lease: QuotaLease, token_id: str, now: datetime) -> int:
        number = None
        try:
            # Again where none is left: what was taken was for those who waited when it was asked for.
            while number is None:
                lease.waiting += 1
                await self._single_flight.join(lease)
                number = lease.spend()
        except (RedisError, OSError) as error:
            return self._count_alone(token_id, now, error)
        return number

    async def _extend(self, lease: QuotaLease) -> None:
        amount = lease.demand()
        lease.extend(await self._incr(keys=[lease.key], args=[_KEPT_SECONDS, amount]), amount)
        self._is_alone = False

    def _lease(self, token_id: str, minute: int) -> QuotaLease:
        if minute != self._minute:
            self._minute = minute
            self._leases.clear()
        return self._leases.get(token_id) or self._new_lease(token_id)

    def _new_lease(self, token_id: str) -> QuotaLease:
        lease = QuotaLease(keys.requests(token_id, self._minute), self._per_minute)
        if len(self._leases) < MAX_TOKENS:
            self._leases[token_id] = lease
        return lease

    def _count_alone(self, token_id: str, now: datetime, error: RedisError | OSError) -> int:
        if not (isinstance(error, RedisError) and refuses_writes(error)):
            raise RateLimitUnavailableError("Redis can't count requests") from error
        if not self._is_alone:
            self._is_alone = True
            _log.warning("Redis takes no writes: each API process limits requests alone", cause=words(error))
        return self._own.add(token_id, now)
