"""How much a client may still ask in the current minute, how that is told, and the port to who counts it."""

from datetime import datetime
from functools import lru_cache
from typing import Final, Protocol

from msgspec import Struct

MINUTE_SECONDS: Final = 60

_REMAINING: Final = "X-RateLimit-Remaining"


class RateLimitStatus(Struct, frozen=True):
    """The limit of a minute, and how much of it is used at an aware instant, this time included."""

    limit: int
    used: int
    now: datetime

    @property
    def is_exceeded(self) -> bool:
        return self.used > self.limit

    @property
    def seconds_to_wait(self) -> int:
        """Whole seconds, 1 to 60, after which the next minute has begun."""
        return MINUTE_SECONDS - int(self.now.timestamp()) % MINUTE_SECONDS

    @property
    def headers(self) -> dict[str, str]:
        """Tell it as upstream does: the instant of the reset is in milliseconds since 1970."""
        return {
            "X-RateLimit-Limit": str(self.limit),
            _REMAINING: str(max(0, self.limit - self.used)),
            "X-RateLimit-Reset": str(_reset_after(minute_of(self.now))),
        }

    @property
    def lines(self) -> str:
        """The same headers as they are sent, each with its end."""
        left = 0 if self.is_exceeded else self.limit - self.used
        return f"{_same_lines(self.limit, minute_of(self.now))}{_REMAINING}: {left}\r\n"


class RateLimiter(Protocol):
    """Whoever counts the requests of a token, for all processes of the API together."""

    def spend(self, token_id: str, now: datetime) -> RateLimitStatus | None:
        """Count one more request where nobody need be asked and the limit is not reached.

        None says that it was not counted: `count` is to be asked.
        """
        ...

    async def count(self, token_id: str, now: datetime) -> RateLimitStatus:
        """Count one more request, also one beyond the limit.

        Raises `RateLimitUnavailableError` where it can't be counted: it is not to be answered then.
        """
        ...


def minute_of(now: datetime) -> int:
    """Number the minutes since 1970: as upstream's intervals, they begin at the same instant for everyone."""
    return int(now.timestamp()) // MINUTE_SECONDS


@lru_cache(maxsize=1)
def _same_lines(limit: int, minute: int) -> str:
    """Spell out what all clients are told in a minute."""
    return f"X-RateLimit-Limit: {limit}\r\nX-RateLimit-Reset: {_reset_after(minute)}\r\n"


def _reset_after(minute: int) -> int:
    return (minute + 1) * MINUTE_SECONDS * 1000
