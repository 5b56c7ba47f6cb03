"""The write side: counts batches in Redis together with their checkpoints."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

import msgspec
import structlog

from ingest.batch import Batch, Offset, Partition
from ingest.errors import PartitionStoppedError, SupersededError, UnavailableError
from ingest.ports import Checkpoints, ErasureLog, Gap, LogState, Step
from projector import keys
from projector.calendar import Calendar
from projector.checkpoints import ROLLED_BACK_AT, read_progress
from projector.counted_users import CountedUsers, read_counted_users
from projector.dedup_cache import DedupCache
from projector.deployment import Deployment
from projector.erasures import restore_erasures
from projector.expiry import pack_causes
from projector.fold import Fold, fold, pack
from projector.gaps import report
from projector.redis import Redis
from projector.redis.errors import ResponseError, require_rights, translate_errors
from projector.redis.server import check_server
from projector.scripts.apply import ApplyCall, ApplyScript, Fence, Fenced, Superseded, WritesPaused, pack_call
from projector.scripts.positions import RestartScript, Rewind, RewindScript
from projector.stats import Stats

log = structlog.get_logger(__name__)


class RedisProjection:
    """Implements `ingest.ports.Projection`. `clock` returns the time of day, aware."""

    def __init__(
        self,
        redis: Redis,
        calendar: Calendar,
        counted_users: CountedUsers,
        *,
        deployment: Deployment,
        clock: Callable[[], datetime],
        stats: Stats | None = None,
    ) -> None:
        self._redis = redis
        self._erasures: ErasureLog | None = None
        self._calendar = calendar
        self._deployment = deployment
        self._clock = clock
        self._stats = stats or Stats()
        self._counted_users = counted_users
        self._dedup_cache = DedupCache()
        self._generation = 0
        self._fence: Fence | None = None
        """The state in which the checkpoints were read; a batch is applied only if it is unchanged."""
        self._apply = ApplyScript(redis)
        self._restart = RestartScript(redis)
        self._rewind = RewindScript(redis)

    def restore_from(self, erasures: ErasureLog) -> None:
        """Use the erasure log as the source of the forgotten users; without one, Redis is the only source."""
        self._erasures = erasures

    async def claim(self) -> None:
        """Record the deployment in Redis.

        Raises `OperatorError` if Redis belongs to another one, or doesn't meet the requirements.
        """
        with translate_errors(), require_rights():
            await check_server(self._redis)
            await self._deployment.claim(self._redis)

    async def now(self) -> datetime:
        with translate_errors():
            seconds, microseconds = await self._redis.time()
        return datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=microseconds)

    async def checkpoints(self) -> Checkpoints:
        self._dedup_cache.clear()  # the counters may be those of an older copy
        await self._restore_erasures()  # before anything is counted: Redis may have lost the list
        progress = await read_progress(self._redis)
        with translate_errors():
            await self._deployment.check_counters(self._redis)  # a rebuild may have changed their meaning
        self._counted_users = await read_counted_users(self._redis, self._counted_users)
        self._generation = progress.generation
        self._fence = Fence(
            progress.generation,
            progress.topic_id or "",
            len(progress.checkpoints),
            self._counted_users.revision,
        )
        return Checkpoints(progress.topic_id, progress.checkpoints, progress.as_of)

    async def is_current(self) -> bool:
        return self._erasures is None or not await self._erasures.has_grown()

    async def begin(self, log: LogState) -> None:
        with translate_errors():
            await self._deployment.claim(self._redis)  # Redis may have lost the record as well
            async with self._redis.pipeline(transaction=True) as pipeline:
                pipeline.hsetnx(keys.ONLY.deployment, "topic_id", log.topic_id)
                for partition, extent in log.extents.items():
                    pipeline.hsetnx(self._keyspace.checkpoints, str(partition), str(extent.beginning))
                await pipeline.execute()

    async def restart(self, log: LogState, gaps: Sequence[Gap]) -> None:
        reports = [await self._report(gap) for gap in gaps]
        beginnings = {partition: extent.beginning for partition, extent in log.extents.items()}
        with translate_errors():
            await self._restart(
                keys.ONLY, self._generation, topic_id=log.topic_id, beginnings=beginnings, gaps=reports
            )

    async def rewind(self, partition: Partition, *, expected: Offset, to: Offset, gap: Gap | None) -> None:
        move = Rewind(partition, expected, to, gap=None if gap is None else await self._report(gap))
        with translate_errors():
            await self._rewind(keys.ONLY, self._generation, move, fence=self._fence)

    async def record_rollback(self) -> None:
        instant = await self.now()
        with translate_errors():
            milliseconds = int(instant.timestamp() * 1000)
            await self._redis.hset(keys.ONLY.deployment, ROLLED_BACK_AT, str(milliseconds))

    async def apply(self, batch: Batch) -> Offset | None:
        return await self.stage(batch)()

    def stage(self, batch: Batch) -> Step:
        folded = fold(
            batch.events,
            self._calendar,
            self._counted_users.activity_filter,
            self._clock(),
            stamp=batch.stamp,
        )
        additions, keyspace = self._dedup_cache.without_known(batch, folded.additions), self._keyspace
        call = pack_call(
            batch,
            keyspace,
            [keyspace.key(each.counter) for each in additions],
            pack(additions, self._counted_users),
            fenced=self._fence and Fenced(keys.ONLY, self._fence, pack_causes(folded.causes)),
        )
        # Before the call: the next batch is accepted only after this one is applied.
        self._dedup_cache.remember(batch, additions)
        return partial(self._send, batch, folded, call)

    async def _send(self, batch: Batch, folded: Fold, call: ApplyCall) -> Offset | None:
        try:
            with translate_errors():
                stored = await self._apply(call)
        except ResponseError as error:
            raise PartitionStoppedError(batch.partition, _rejection(error)) from error
        if isinstance(stored, Superseded):
            raise SupersededError("another generation is live, or the list of forgotten users has changed")
        if isinstance(stored, WritesPaused):
            raise UnavailableError("writes are paused while a rebuild switches over")
        if stored == batch.end:
            self._update_stats(folded, len(batch.events))
        return stored

    async def _restore_erasures(self) -> None:
        if self._erasures is None:
            return
        with translate_errors():
            await self._deployment.check(self._redis)
        # Read each time: Redis may have lost entries that were appended since the last read.
        restored = await restore_erasures(self._redis, await self._erasures.read(), clock=self._clock)
        if restored.added or restored.dropped:
            log.warning(
                "restored the list of forgotten users from the erasure log",
                forgotten=restored.added,
                remembered=restored.dropped,
                removed=restored.erasure.removed,
            )
        if restored.added and restored.erasure.estimates:
            log.warning(
                "estimates may contain forgotten users: run headcount rebuild",
                estimates=restored.erasure.estimates,
            )

    @property
    def _keyspace(self) -> keys.Keyspace:
        return keys.ONLY.generation(self._generation)

    async def _report(self, gap: Gap) -> bytes:
        as_of = (await read_progress(self._redis)).as_of.get(gap.partition)
        return msgspec.json.encode(report(gap, as_of=as_of, now=self._clock(), calendar=self._calendar))

    def _update_stats(self, folded: Fold, events: int) -> None:
        self._stats.ignored += folded.ignored
        self._stats.anonymous += folded.anonymous
        self._stats.expired += folded.expired
        self._stats.causes.update(folded.causes)
        self._stats.counted += events - folded.ignored - folded.anonymous - folded.expired


def _rejection(error: ResponseError) -> str:
    return (
        f"Redis rejects the batch: {error}. Once that is fixed the partition continues by itself; "
        "headcount audit then reports what the counters lack."
    )
