"""The write side: counts batches in Redis together with their checkpoint."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from ingest.batch import Batch, Offset, Partition
from ingest.errors import PartitionStoppedError, UnavailableError
from projector import keys, scripts
from projector.calendar import Calendar
from projector.errors import is_passing
from projector.fold import Fold, fold
from projector.progress import read_progress
from projector.tally import Tally

_packer = msgspec.msgpack.Encoder()


class RedisProjection:
    """Implements `ingest.ports.Projection`. `clock` gives the time of day, aware."""

    def __init__(
        self, redis: Redis, calendar: Calendar, *, clock: Callable[[], datetime], tally: Tally | None = None
    ) -> None:
        self._redis = redis
        self._calendar = calendar
        self._clock = clock
        self._tally = tally or Tally()
        self._apply = redis.register_script(scripts.source(scripts.APPLY))
        self._rewind = redis.register_script(scripts.source(scripts.REWIND))

    async def checkpoints(self) -> Mapping[Partition, Offset]:
        return (await read_progress(self._redis)).checkpoints

    async def begin(self, beginnings: Mapping[Partition, Offset]) -> None:
        async with _errors_named(), self._redis.pipeline(transaction=True) as pipeline:
            for partition, offset in beginnings.items():
                pipeline.hsetnx(keys.CHECKPOINTS, str(partition), str(offset))
            await pipeline.execute()

    async def rewind(self, partition: Partition, expected: Offset, to: Offset) -> None:
        async with _errors_named():
            await self._rewind(keys=[keys.CHECKPOINTS, keys.AS_OF], args=[str(partition), expected, to])

    async def apply(self, batch: Batch) -> Offset | None:
        folded = fold(batch.events, self._calendar, self._clock())
        additions = folded.additions
        packed = _packer.encode([(addition.expires_at, addition.user_ids) for addition in additions])
        as_of = "" if batch.as_of is None else int(batch.as_of.timestamp() * 1000)
        try:
            async with _errors_named():
                stored = await self._apply(
                    keys=[keys.CHECKPOINTS, keys.AS_OF, *(addition.key for addition in additions)],
                    args=[str(batch.partition), batch.start, batch.end, as_of, packed],
                )
        except ResponseError as error:
            raise PartitionStoppedError(batch.partition, f"Redis refuses a counter: {error}") from error
        if stored is None:
            return None
        checkpoint = Offset(int(stored))
        if checkpoint == batch.end:
            self._note(folded, len(batch.events))
        return checkpoint

    def _note(self, folded: Fold, events: int) -> None:
        self._tally.anonymous += folded.anonymous
        self._tally.expired += folded.expired
        self._tally.counted += events - folded.anonymous - folded.expired


@asynccontextmanager
async def _errors_named() -> AsyncIterator[None]:
    try:
        yield
    except RedisError as error:
        if is_passing(error):
            raise UnavailableError(f"Redis can't take it now: {error!r}") from error
        raise
