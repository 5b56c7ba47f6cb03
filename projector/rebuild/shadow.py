"""The shadow projection: a second projection of the log, with which the live counters are compared."""

from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime, timedelta
from secrets import token_hex
from typing import Any, Final

from ingest.batch import Batch, Offset, Partition
from ingest.errors import UnavailableError
from projector import keys
from projector.calendar import Calendar
from projector.checkpoints import read_progress
from projector.counted_users import CountedUsers, read_counted_users
from projector.fold import fold, pack
from projector.rebuild.comparison import Comparison
from projector.rebuild.finding import Finding
from projector.redis import Redis
from projector.redis.errors import translate_errors
from projector.redis.scan import remove_keyspace
from projector.redis.server import MemoryGuard
from projector.scripts.apply import ApplyScript, pack_call

LIFETIME: Final = timedelta(hours=6)
"""The time after which the keys expire, in case the process was killed."""


class ShadowProjection:
    """Counts batches with the same script as a worker, into keys of its own; it changes no live counter.

    Every method raises `UnavailableError` if Redis is unreachable, short of memory, or has lost the keys.
    """

    def __init__(
        self, redis: Redis, calendar: Calendar, counted_users: CountedUsers, *, clock: Callable[[], datetime]
    ) -> None:
        self._redis = redis
        self._memory_guard = MemoryGuard(redis)
        self._calendar = calendar
        self._clock = clock
        self._began_at = clock()
        self._keyspace = keys.ONLY.shadow(token_hex(8))
        self._counted_users = counted_users
        self._ends: dict[Partition, Offset] = {}
        self._apply = ApplyScript(redis)

    async def begin(self, beginnings: Mapping[Partition, Offset]) -> None:
        """Set where the first batch of each partition starts."""
        if not beginnings:
            return  # Redis has no empty hash
        self._ends = dict(beginnings)
        self._counted_users = await read_counted_users(self._redis, self._counted_users)
        checkpoints: dict[Any, Any] = {str(partition): offset for partition, offset in beginnings.items()}
        with translate_errors():
            await self._redis.hset(self._keyspace.checkpoints, mapping=checkpoints)
            await self._redis.expireat(self._keyspace.checkpoints, self._expires_at())

    async def apply(self, batch: Batch) -> None:
        await self._memory_guard.check()
        folded = fold(batch.events, self._calendar, self._counted_users.activity_filter, self._began_at)
        additions = [addition._replace(expires_at=self._expires_at()) for addition in folded.additions]
        counters = [self._keyspace.key(addition.counter) for addition in additions]
        with translate_errors():
            stored = await self._apply(
                pack_call(batch, self._keyspace, counters, pack(additions, self._counted_users))
            )
        if stored != batch.end:
            raise _lost()
        self._ends[batch.partition] = batch.end

    async def compare(self) -> AsyncIterator[Finding]:
        """Compare every live counter with this projection; yield each that differs."""
        live = keys.ONLY.generation((await read_progress(self._redis)).generation)
        comparison = Comparison(self._redis, self._calendar, live, self._keyspace, clock=self._clock)
        async for finding in comparison.differences():
            yield finding
        await self._check_checkpoints()

    async def remove(self) -> None:
        await remove_keyspace(self._redis, self._keyspace)

    async def _check_checkpoints(self) -> None:
        """Raise if the keys expired or Redis was restored from an older copy during the comparison."""
        with translate_errors():
            stored = await self._redis.hgetall(self._keyspace.checkpoints)
        ends = {str(partition).encode(): str(end).encode() for partition, end in self._ends.items()}
        if stored != ends:
            raise _lost()

    def _expires_at(self) -> int:
        return int((self._began_at + LIFETIME).timestamp())


def _lost() -> UnavailableError:
    return UnavailableError(
        "Redis lost the second count of the log, or the count took too long: start again."
    )
