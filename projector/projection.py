"""The write side: counts batches in Redis together with their checkpoint."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

import msgspec
import structlog

from ingest.batch import Batch, Offset, Partition
from ingest.errors import PartitionStoppedError, SupersededError, UnavailableError
from ingest.ports import Checkpoints, ErasureLog, Gap, LogState, Step
from projector import keys, scripts
from projector.calendar import Calendar
from projector.checkpoints import read_progress
from projector.counted_users import CountedUsers, read_counted_users
from projector.dedup_cache import DedupCache
from projector.deployment import Deployment
from projector.erasures import restore_erasures
from projector.expiry import pack_causes
from projector.fold import Fold, fold, pack
from projector.gaps import MAX_GAPS, report
from projector.redis import Redis
from projector.redis.errors import ResponseError, require_rights, translate_errors
from projector.redis.server import check_server
from projector.scripts.apply import ApplyCall, ApplyScript, Fence, Fenced, Superseded, WritesPaused, pack_call
from projector.stats import Stats

log = structlog.get_logger(__name__)


class RedisProjection:
    """Implements `ingest.ports.Projection`. `clock` gives the time of day, aware."""

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
        self._recent = DedupCache()
        self._generation = 0
        self._fence: Fence | None = None
        """What the checkpoints were read with; a batch is applied only while that still holds."""
        self._apply = ApplyScript(redis)
        self._restart = redis.register_script(scripts.source(scripts.RESTART))
        self._rewind = redis.register_script(scripts.source(scripts.REWIND))

    def restore_from(self, erasures: ErasureLog) -> None:
        """Have the erasure log say who is forgotten; without one, Redis alone does."""
        self._erasures = erasures

    async def claim(self) -> None:
        """Make this Redis the deployment's own; raises `OperatorError` where it is another's, or won't do."""
        with translate_errors(), require_rights():
            await check_server(self._redis)
            await self._deployment.claim(self._redis)

    async def now(self) -> datetime:
        with translate_errors():
            seconds, microseconds = await self._redis.time()
        return datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=microseconds)

    async def checkpoints(self) -> Checkpoints:
        self._recent.forget()  # whoever asks is not sure of its place, and the counters may be others
        await self._restore_erasures()  # before anything is counted: Redis may have lost them
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
            await self._deployment.claim(self._redis)  # a Redis that lost everything has lost this too
            async with self._redis.pipeline(transaction=True) as pipeline:
                pipeline.hsetnx(keys.ONLY.deployment, "topic_id", log.topic_id)
                for partition, extent in log.extents.items():
                    pipeline.hsetnx(self._keyspace.checkpoints, str(partition), str(extent.beginning))
                await pipeline.execute()

    async def restart(self, log: LogState, gaps: Sequence[Gap]) -> None:
        reports = [await self._report(gap) for gap in gaps]
        beginnings: list[str | int] = []
        for partition, extent in log.extents.items():
            beginnings += [str(partition), extent.beginning]
        with translate_errors():
            await self._restart(
                keys=[self._keyspace.checkpoints, self._keyspace.as_of, keys.ONLY.gaps, keys.ONLY.deployment],
                args=[
                    self._generation,
                    log.topic_id,
                    MAX_GAPS,
                    len(reports),
                    *reports,
                    *beginnings,
                ],
            )

    async def rewind(self, partition: Partition, *, expected: Offset, to: Offset, gap: Gap | None) -> None:
        found = b"" if gap is None else await self._report(gap)
        with translate_errors():
            await self._rewind(
                keys=[self._keyspace.checkpoints, self._keyspace.as_of, keys.ONLY.gaps, keys.ONLY.deployment],
                args=[str(partition), expected, to, found, MAX_GAPS, *self._topic_fence()],
            )

    async def apply(self, batch: Batch) -> Offset | None:
        return await self.prepare(batch)()

    def prepare(self, batch: Batch) -> Step:
        folded = fold(
            batch.events,
            self._calendar,
            self._counted_users.activity_filter,
            self._clock(),
            stamp=batch.stamp,
        )
        additions, keyspace = self._recent.without_known(batch, folded.additions), self._keyspace
        call = pack_call(
            batch,
            keyspace,
            [keyspace.key(each.counter) for each in additions],
            pack(additions, self._counted_users),
            fenced=self._fence and Fenced(keys.ONLY, self._fence, pack_causes(folded.causes)),
        )
        # Before it is sent: the batch that follows is accepted only once this one is applied.
        self._recent.remember(batch, additions)
        return partial(self._send, batch, folded, call)

    async def _send(self, batch: Batch, folded: Fold, call: ApplyCall) -> Offset | None:
        try:
            with translate_errors():
                stored = await self._apply(call)
        except ResponseError as error:
            raise PartitionStoppedError(batch.partition, _refusal(error)) from error
        if isinstance(stored, Superseded):
            raise SupersededError("another generation is live, or the list of forgotten users has changed")
        if isinstance(stored, WritesPaused):
            raise UnavailableError("writes are paused while a rebuild switches over")
        if stored == batch.end:
            self._note(folded, len(batch.events))
        return stored

    async def _restore_erasures(self) -> None:
        if self._erasures is None:
            return
        with translate_errors():
            await self._deployment.check(self._redis)
        # Not kept from an earlier time: what was appended since may be lost in Redis.
        restored = await restore_erasures(self._redis, await self._erasures.read(), clock=self._clock)
        if restored.added or restored.dropped:
            log.warning(
                "Redis had lost who is forgotten: restored from the erasure log",
                forgotten=restored.added,
                remembered=restored.dropped,
                removed=restored.erasure.removed,
            )
        if restored.added and restored.erasure.estimates:
            log.warning(
                "estimates may hold forgotten people: run headcount rebuild",
                estimates=restored.erasure.estimates,
            )

    @property
    def _keyspace(self) -> keys.Keyspace:
        return keys.ONLY.generation(self._generation)

    def _topic_fence(self) -> Sequence[str | int]:
        return () if self._fence is None else (self._fence.generation, self._fence.topic_id)

    async def _report(self, gap: Gap) -> bytes:
        as_of = (await read_progress(self._redis)).as_of.get(gap.partition)
        return msgspec.json.encode(report(gap, as_of=as_of, now=self._clock(), calendar=self._calendar))

    def _note(self, folded: Fold, events: int) -> None:
        self._stats.ignored += folded.ignored
        self._stats.anonymous += folded.anonymous
        self._stats.expired += folded.expired
        self._stats.causes.update(folded.causes)
        self._stats.counted += events - folded.ignored - folded.anonymous - folded.expired


def _refusal(error: ResponseError) -> str:
    return (
        f"Redis refuses the batch: {error}. Once that is mended the partition goes on by itself; "
        "headcount audit then tells what the counters lack."
    )
