"""The status of a rate limit, its headers, and the port to the service that counts requests."""

from datetime import datetime
from functools import lru_cache
from typing import Final, Protocol

from msgspec import Struct

MINUTE_SECONDS: Final = 60

_REMAINING: Final = "X-RateLimit-Remaining"


class RateLimitStatus(Struct, frozen=True):
    """The limit of a minute and the requests up to `now`, an aware instant, including the current one."""

    limit: int
    used: int
    now: datetime

    @property
    def is_exceeded(self) -> bool:
        return self.used > self.limit

    @property
    def seconds_to_wait(self) -> int:
        """The whole seconds, 1 to 60, until the next minute has begun."""
        return MINUTE_SECONDS - int(self.now.timestamp()) % MINUTE_SECONDS

    @property
    def headers(self) -> dict[str, str]:
        """The headers in upstream's form: the reset is in milliseconds since 1970."""
        return {
            "X-RateLimit-Limit": str(self.limit),
            _REMAINING: str(max(0, self.limit - self.used)),
            "X-RateLimit-Reset": str(_reset_after(minute_of(self.now))),
        }

    @property
    def lines(self) -> str:
        """The same headers as lines of a response head, each with its line end."""
        remaining = 0 if self.is_exceeded else self.limit - self.used
        return f"{_shared_lines(self.limit, minute_of(self.now))}{_REMAINING}: {remaining}\r\n"


class RateLimiter(Protocol):
    """Counts the requests of a token over all processes of the API."""

    def spend(self, token_id: str, now: datetime) -> RateLimitStatus | None:
        """Count one more request if that needs no waiting and the limit is not reached.

        None: it was not counted, and `count` must be called.
        """
        ...

    async def count(self, token_id: str, now: datetime) -> RateLimitStatus:
        """Count one more request, including one beyond the limit.

        Raises `RateLimitUnavailableError` if it cannot be counted; the request must not be answered then.
        """
        ...


def minute_of(now: datetime) -> int:
    """Return the number of minutes since 1970; like upstream's intervals, the same for all clients."""
    return int(now.timestamp()) // MINUTE_SECONDS


@lru_cache(maxsize=1)
def _shared_lines(limit: int, minute: int) -> str:
    """Return the lines that are the same for all clients in a minute."""
    return f"X-RateLimit-Limit: {limit}\r\nX-RateLimit-Reset: {_reset_after(minute)}\r\n"


def _reset_after(minute: int) -> int:
    return (minute + 1) * MINUTE_SECONDS * 1000
