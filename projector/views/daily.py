"""The read side: how many people were active, and up to which instant that is known."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final, Protocol

import structlog
from msgspec import Struct, msgpack

from projector import keys, scripts
from projector.redis import Redis
from projector.redis.errors import RedisError, describe

log = structlog.get_logger(__name__)

TRIES: Final = 3
ESTIMATE_STANDARD_ERROR: Final = 1.04 / math.sqrt(16_384)
"""Of a HyperLogLog of 16,384 registers (Flajolet et al. 2007): 0.81 %."""


@dataclass(frozen=True, slots=True)
class DailyCounts:
    """`users[i]` is the number of distinct users of the i-th day asked for; 0 where there was none.

    `as_of` is aware, in UTC: every event published before it is counted. `standard_error` is relative, of
    the least precise of them; 0 where all are exact.
    """

    users: Sequence[int]
    as_of: datetime
    standard_error: float


class CatchingUpError(Exception):
    """The projection does not hold the whole log yet: any number would be too low."""


class ViewUnavailableError(Exception):
    """Redis did not answer in time, or could not."""


class OtherTimeZoneError(ViewUnavailableError):
    """The counters are those of another time zone's days."""


class View(Protocol):
    """What the API asks of the projection."""

    async def daily_counts(self, workspace_id: str, days: Sequence[date]) -> DailyCounts:
        """Read the counters of the days in one round trip.

        Raises `CatchingUpError` or `ViewUnavailableError`.
        """
        ...

    async def as_of(self) -> datetime:
        """Read only the as-of instant; raises as `daily_counts` does."""
        ...


class Reply(Struct, array_like=True, frozen=True):
    """What the script replies, as it packs it."""

    partitions: int
    instants: list[int]
    """As-of instants of the partitions that have one, in ms of the epoch."""
    users: list[int]
    estimates: int
    """How many of `users` are."""


# Not strict: the instants are strings to Redis.
_decode: Final = msgpack.Decoder(Reply, strict=False).decode


class RedisView:
    """Implements `View` with one script call a question: counts and as-of are of one moment.

    `time_zone` is the one whose days are asked for. The counters may be replaced while the view is in use.

    It never answers as of an earlier instant than before: a Redis that was put back to an older copy may hold
    people who were forgotten since, until a worker has restored the list of them.
    """

    def __init__(self, redis: Redis, *, time_zone: str = "UTC") -> None:
        self._redis = redis
        self._time_zone = time_zone
        self._generation: int | None = None
        self._newest = datetime.min.replace(tzinfo=UTC)
        """The latest as-of that was read."""
        self._is_waiting = False
        self._window = redis.register_script(scripts.source(scripts.WINDOW))

    async def daily_counts(self, workspace_id: str, days: Sequence[date]) -> DailyCounts:
        return await self._read(workspace_id, days)

    async def as_of(self) -> datetime:
        return (await self._read("", ())).as_of

    async def _read(self, workspace_id: str, days: Sequence[date]) -> DailyCounts:
        newest = self._newest  # before the question: a later one may be answered first
        try:
            reply = await self._ask(workspace_id, days)
        except RedisError as error:
            raise ViewUnavailableError(f"Redis can't answer: {describe(error)}") from error
        if reply is None:
            raise ViewUnavailableError("the counters are being replaced")
        if reply.partitions == 0 or len(reply.instants) < reply.partitions:
            raise CatchingUpError("the projection does not hold the whole log yet")
        instant = datetime.fromtimestamp(min(reply.instants) / 1000, UTC)
        # One ahead of the clock is that of a Redis whose clock was wrong, and says nothing of older copies.
        if instant < newest <= datetime.now(UTC):
            raise CatchingUpError("Redis was put back to an older state than was answered from before")
        self._newest = max(self._newest, instant)
        return DailyCounts(reply.users, instant, ESTIMATE_STANDARD_ERROR if reply.estimates else 0.0)

    async def _ask(self, workspace_id: str, days: Sequence[date]) -> Reply | None:
        """Ask the live generation, once more where it is not the one that was live last time."""
        for _ in range(TRIES):
            generation = self._generation if self._generation is not None else await self._find_generation()
            packed = await self._run(generation, workspace_id, days)
            if packed is not None:
                reply = _decode(packed)
                # Nothing that is counted says nothing of whose days will be.
                self._generation = generation if reply.partitions else None
                return reply
            self._generation = None
        return None

    async def _run(self, generation: int, workspace_id: str, days: Sequence[date]) -> bytes | None:
        keyspace = keys.ONLY.generation(generation)
        names = keyspace.days(workspace_id, days)
        places = [keys.ONLY.deployment, keyspace.checkpoints, keyspace.as_of, *names]
        packed: bytes | None = await self._window(keys=places, args=[generation])
        return packed

    async def _find_generation(self) -> int:
        found: Any = await self._redis.hmget(keys.ONLY.deployment, ["generation", "time_zone"])
        generation, time_zone = found
        if time_zone is not None and time_zone.decode() != self._time_zone:
            error = OtherTimeZoneError(
                f"the days that are counted are those of {time_zone.decode()}, and not of {self._time_zone}"
            )
            if not self._is_waiting:
                self._is_waiting = True
                log.warning("waiting", cause=f"{error}; every request is answered 503 until they are")
            raise error
        if self._is_waiting:
            self._is_waiting = False
            log.info("resumed")
        return int(generation or 0)
