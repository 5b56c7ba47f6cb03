"""The daily view: the distinct users of a workspace on each day, and the as-of of the counts."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final, Protocol

import structlog

from projector import keys
from projector.redis import Redis
from projector.redis.errors import RedisError, describe
from projector.scripts.counters import Window, WindowScript

log = structlog.get_logger(__name__)

MAX_TRIES: Final = 3
ESTIMATE_STANDARD_ERROR: Final = 1.04 / math.sqrt(16_384)
"""Of a HyperLogLog of 16,384 registers (Flajolet et al. 2007): 0.81 %."""


@dataclass(frozen=True, slots=True)
class DailyCounts:
    """`users[i]` is the number of distinct users on the i-th requested day.

    `as_of` is aware, in UTC: every event published before it is counted. `standard_error` is relative, that
    of the least precise count; 0 if all are exact.
    """

    users: Sequence[int]
    as_of: datetime
    standard_error: float


class CatchingUpError(Exception):
    """The projection does not contain the whole log yet: any count would be too low."""


class ViewUnavailableError(Exception):
    """Redis did not reply in time, or with an error."""


class OtherTimeZoneError(ViewUnavailableError):
    """The counters are of the days of another time zone."""


class View(Protocol):
    """The port through which the API reads the projection."""

    async def daily_counts(self, workspace_id: str, days: Sequence[date]) -> DailyCounts:
        """Read the counters of the days in one round trip.

        Raises `CatchingUpError` or `ViewUnavailableError`.
        """
        ...

    async def as_of(self) -> datetime:
        """Read only the as-of; raises as `daily_counts` does."""
        ...


class RedisView:
    """Implements `View` with one script call for each read: counts and as-of are of the same moment.

    `time_zone` is the one of the requested days. The counters may be replaced while the view is in use.

    The as-of of its answers never decreases: a Redis that was restored from an older copy may contain users
    who were forgotten since, until a worker has restored the list of forgotten users.
    """

    def __init__(self, redis: Redis, *, time_zone: str = "UTC") -> None:
        self._redis = redis
        self._time_zone = time_zone
        self._generation: int | None = None
        self._latest_as_of = datetime.min.replace(tzinfo=UTC)
        self._has_other_time_zone = False
        self._window = WindowScript(redis)

    async def daily_counts(self, workspace_id: str, days: Sequence[date]) -> DailyCounts:
        return await self._read(workspace_id, days)

    async def as_of(self) -> datetime:
        return (await self._read("", ())).as_of

    async def _read(self, workspace_id: str, days: Sequence[date]) -> DailyCounts:
        latest = self._latest_as_of  # before the call: a later call may return first
        try:
            window = await self._read_live(workspace_id, days)
        except RedisError as error:
            raise ViewUnavailableError(f"Redis can't be read: {describe(error)}") from error
        if window is None:
            raise ViewUnavailableError("the counters are being replaced")
        if window.partitions == 0 or len(window.instants) < window.partitions:
            raise CatchingUpError("the projection does not contain the whole log yet")
        instant = datetime.fromtimestamp(min(window.instants) / 1000, UTC)
        # An as-of in the future comes from a Redis whose clock was wrong: it is no sign of an older copy.
        if instant < latest <= datetime.now(UTC):
            raise CatchingUpError("Redis was restored from an older copy than earlier answers came from")
        self._latest_as_of = max(self._latest_as_of, instant)
        return DailyCounts(window.users, instant, ESTIMATE_STANDARD_ERROR if window.estimates else 0.0)

    async def _read_live(self, workspace_id: str, days: Sequence[date]) -> Window | None:
        """Read the live generation; None if another one became live during each try."""
        for _ in range(MAX_TRIES):
            generation = self._generation if self._generation is not None else await self._find_generation()
            window = await self._window(keys.ONLY, generation, workspace_id=workspace_id, days=days)
            if window is not None:
                # Without checkpoints nothing is counted yet: a worker may still record another time zone.
                self._generation = generation if window.partitions else None
                return window
            self._generation = None
        return None

    async def _find_generation(self) -> int:
        found: Any = await self._redis.hmget(keys.ONLY.deployment, ["generation", "time_zone"])
        generation, time_zone = found
        if time_zone is not None and time_zone.decode() != self._time_zone:
            error = OtherTimeZoneError(
                f"the counters are of the days of {time_zone.decode()}, not of {self._time_zone}"
            )
            if not self._has_other_time_zone:
                self._has_other_time_zone = True
                log.warning("waiting", cause=f"{error}; every request is answered 503 until they match")
            raise error
        if self._has_other_time_zone:
            self._has_other_time_zone = False
            log.info("resumed")
        return int(generation or 0)
