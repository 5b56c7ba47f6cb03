"""The rate limit in Redis: one count per token and minute, from which each API process leases a quota."""

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from api.cache.single_flight import SingleFlight
from api.errors import RateLimitUnavailableError
from api.limits.minute_counts import MinuteCounts
from api.limits.rate_limit_status import MINUTE_SECONDS, RateLimitStatus, minute_of
from projector import keys
from projector.redis.errors import describe, refuses_writes

MAX_TOKENS: Final = 100_000
"""How many tokens can have a lease, and are counted separately while this process counts alone."""
SHARE: Final = 20
"""At most one in this many of the remaining requests is leased in advance."""
_KEPT_SECONDS: Final = 2 * MINUTE_SECONDS
"""Longer than a minute, since the clocks of the processes differ a little."""
_TIMEOUT_SECONDS: Final = 1.0
"""About the deadline of a request: a slower reply is of no use to the requests that wait for it."""

_COUNT: Final = """
local count = redis.call('INCRBY', KEYS[1], ARGV[2])
if count == tonumber(ARGV[2]) then
  redis.call('EXPIRE', KEYS[1], ARGV[1])
end
return count
"""
"""Adds to a count that expires. KEYS: the count. ARGV: seconds until it expires, the amount."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class QuotaLease:
    """The request numbers of a token and minute that one process holds.

    All processes lease them from one count, so each number is used once. A request is within `limit` if its
    number is.
    """

    key: str
    limit: int
    waiting: int = 0
    """The number of requests that wait for a number."""
    _spent: int = 0
    _next: int = 1
    _last: int = 0

    def spend(self) -> int | None:
        """Return the next number; None if the lease is used up and must be extended."""
        if self._next <= self._last:
            self._spent += 1
            self._next += 1
            return self._next - 1
        # The count has reached the limit: every further number is beyond it, so none needs to be leased.
        return self._last + 1 if self._last >= self.limit else None

    def demand(self) -> int:
        """Return how many numbers to lease: one for each waiting request, and some in advance.

        Never more in advance than were spent in this minute, and fewer the nearer the limit is, down to none:
        numbers that one process holds are not available to the others.
        """
        waiting, self.waiting = self.waiting, 0
        return waiting + min(self._spent, (self.limit - self._last) // SHARE)

    def extend(self, count: int, amount: int) -> None:
        """Add the last `amount` numbers of a count that has reached `count`."""
        self._next = count - amount + 1
        self._last = count


class RedisRateLimiter:
    """Counts requests in Redis, many in one round trip.

    The window is the minute of the clock, so its end is known without a request. While Redis refuses writes
    (out of memory, read-only, failing to save) the process counts alone: clients are still answered and still
    limited.
    """

    def __init__(self, redis: Redis, *, per_minute: int) -> None:
        self._count_in_redis = redis.register_script(_COUNT)
        self._per_minute = per_minute
        self._local_counts = MinuteCounts(max_names=MAX_TOKENS)
        self._is_alone = False
        self._minute = 0
        self._leases: dict[str, QuotaLease] = {}
        self._single_flight = SingleFlight(self._extend, seconds=_TIMEOUT_SECONDS, timer=time.monotonic)

    def spend(self, token_id: str, now: datetime) -> RateLimitStatus | None:
        number = self._lease(token_id, minute_of(now)).spend()
        if number is None or number > self._per_minute:
            return None
        return RateLimitStatus(self._per_minute, number, now)

    async def count(self, token_id: str, now: datetime) -> RateLimitStatus:
        """Count one more request of the token; raises `RateLimitUnavailableError`."""
        lease = self._lease(token_id, minute_of(now))
        number = lease.spend() or await self._wait_for_number(lease, token_id, now)
        return RateLimitStatus(self._per_minute, number, now)

    async def _wait_for_number(self, lease: QuotaLease, token_id: str, now: datetime) -> int:
        number = None
        try:
            # Repeated, since a lease covers only the requests that waited when it was made.
            while number is None:
                lease.waiting += 1
                await self._single_flight.join(lease)
                number = lease.spend()
        except (RedisError, OSError) as error:
            return self._count_alone(token_id, now, error)
        return number

    async def _extend(self, lease: QuotaLease) -> None:
        amount = lease.demand()
        lease.extend(await self._count_in_redis(keys=[lease.key], args=[_KEPT_SECONDS, amount]), amount)
        self._is_alone = False

    def _lease(self, token_id: str, minute: int) -> QuotaLease:
        if minute != self._minute:
            self._minute = minute
            self._leases.clear()
        lease = self._leases.get(token_id)
        if lease is None:
            lease = QuotaLease(keys.requests(token_id, self._minute), self._per_minute)
            if len(self._leases) < MAX_TOKENS:
                self._leases[token_id] = lease
        return lease

    def _count_alone(self, token_id: str, now: datetime, error: RedisError | OSError) -> int:
        if not (isinstance(error, RedisError) and refuses_writes(error)):
            raise RateLimitUnavailableError("Redis cannot count requests") from error
        if not self._is_alone:
            self._is_alone = True
            _log.warning(
                "Redis refuses writes: each API process limits requests alone", cause=describe(error)
            )
        return self._local_counts.add(token_id, now)
