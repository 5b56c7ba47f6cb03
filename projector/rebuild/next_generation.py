"""The next generation: a second count of the log that replaces the live counters in one step.

It has keys of its own, including checkpoints, so that an interrupted count resumes where it stopped.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from ingest.batch import Batch, Offset, Partition
from ingest.errors import OperatorError, UnavailableError
from projector import keys
from projector.checkpoints import read_checkpoints, read_progress
from projector.counted_users import CountedUsers
from projector.counter_config import CounterConfig
from projector.dedup_cache import DedupCache
from projector.deployment import Change
from projector.fold import fold, pack
from projector.rebuild.comparison import Comparison
from projector.redis import Redis
from projector.redis.errors import translate_errors
from projector.redis.scan import scan_keys
from projector.redis.server import MemoryGuard
from projector.scripts.apply import ApplyScript, pack_call
from projector.scripts.generations import RemoveScript, Switch, SwitchScript

NEXT: Final = "next"
"""The field of the deployment with the configuration of the generation that is being counted."""

Consent = Callable[[Sequence[Change]], None]
"""Raises `OperatorError` if the operator did not ask for these changes."""


class NextGeneration:
    """Counts the next generation. `lock` is the token of the rebuild lock; `clock` returns the time, aware.

    Every method raises `UnavailableError` if Redis is unreachable or has lost the count.
    """

    def __init__(
        self,
        redis: Redis,
        counter_config: CounterConfig,
        counted_users: CountedUsers,
        *,
        lock: bytes,
        clock: Callable[[], datetime],
    ) -> None:
        self.topic_id: str | None = None
        self.live = self.next = keys.FIRST
        self._live = self._next = 0
        self._redis = redis
        self._memory_guard = MemoryGuard(redis)
        self._counter_config = counter_config
        self._counted_users = counted_users
        self._lock = lock
        self._clock = clock
        self._began_at = clock()
        self._dedup_cache = DedupCache()
        self._apply = ApplyScript(redis)
        self._switch = SwitchScript(redis)
        self._remove = RemoveScript(redis)

    async def changes(self) -> Sequence[Change]:
        """Return the changes that a rebuild would make.

        Raises `OperatorError` if nothing or another topic was counted so far.
        """
        return self._changes_of(await self._recorded(), (await read_progress(self._redis)).topic_id)

    async def begin(self, consent: Consent) -> Sequence[Change]:
        """Begin, or resume an interrupted count with the same configuration; return the changes it makes.

        Raises as `changes` does, and what `consent` raises; nothing is written then.
        """
        progress = await read_progress(self._redis)
        recorded = await self._recorded()
        self.topic_id = progress.topic_id
        changes = self._changes_of(recorded, progress.topic_id)
        consent(changes)
        self._live = progress.generation
        self._next = self._interrupted(recorded) or await self._new_number()
        self.live, self.next = keys.ONLY.generation(self._live), keys.ONLY.generation(self._next)
        await self._remove_all_but(self._live, self._next, live=self._live)
        with translate_errors():
            await self._redis.hset(keys.ONLY.deployment, NEXT, self._next_counter_config())
        return changes

    async def start_partitions(self, beginnings: Mapping[Partition, Offset]) -> None:
        """Set the checkpoint of each partition that has none to its beginning."""
        with translate_errors():
            async with self._redis.pipeline(transaction=True) as pipeline:
                for partition, beginning in beginnings.items():
                    pipeline.hsetnx(self.next.checkpoints, str(partition), str(beginning))
                await pipeline.execute()

    async def checkpoints(self) -> Mapping[Partition, Offset]:
        """Return how far each partition is counted in the next generation."""
        return await read_checkpoints(self._redis, self.next)

    async def apply(self, batch: Batch) -> None:
        """Count a batch, as a worker does."""
        await self._memory_guard.check()
        folded = fold(
            batch.events, self._counter_config.calendar, self._counted_users.activity_filter, self._began_at
        )
        additions = self._dedup_cache.without_known(batch, folded.additions)
        counters = [self.next.key(addition.counter) for addition in additions]
        with translate_errors():
            stored = await self._apply(
                pack_call(batch, self.next, counters, pack(additions, self._counted_users))
            )
        if stored != batch.end:
            raise _lost()
        self._dedup_cache.remember(batch, additions)

    def comparison(self) -> Comparison:
        """Return the comparison of the live counters with the next ones."""
        return Comparison(self._redis, self._counter_config.calendar, self.live, self.next, clock=self._clock)

    async def switch(self) -> bool:
        """Make the next generation live; return False if a checkpoint has to advance first."""
        switch = Switch(
            lock_token=self._lock,
            live=self._live,
            next=self._next,
            config=self._next_counter_config(),
            topic_id=self.topic_id or "",
            revision=self._counter_config.revision,
            fields=self._counter_config.fields(),
        )
        with translate_errors():
            outcome = await self._switch(keys.ONLY, switch)
        if outcome == "LOST":
            raise _lost()
        return outcome == "DONE"

    async def discard(self) -> None:
        """Remove the next generation."""
        # First: a removal that is interrupted must leave nothing to resume.
        with translate_errors():
            await self._redis.hdel(keys.ONLY.deployment, NEXT)
        await self._remove_all_but(self._live, live=self._live)

    async def remove_former(self) -> None:
        """Remove the counters that were live before the switch."""
        await self._remove_all_but(self._next, live=self._next)

    async def _remove_all_but(self, *kept: int, live: int) -> None:
        """Remove all other generations: former live ones, and those that killed rebuilds left behind."""
        keyspaces = list(map(keys.ONLY.generation, kept))
        async for page in scan_keys(self._redis, keys.ONLY.every_live):
            stale = [key for key in page if not any(keyspace.holds(key) for keyspace in keyspaces)]
            if not stale:
                continue
            with translate_errors():
                done = await self._remove(keys.ONLY, stale, live=live, lock_token=self._lock)
            if not done:
                raise UnavailableError("Redis lost the rebuild's data, or another rebuild is running.")

    async def _new_number(self) -> int:
        with translate_errors():
            return int(await self._redis.hincrby(keys.ONLY.deployment, "generations", 1))

    def _interrupted(self, recorded: Mapping[str, str]) -> int | None:
        """Return the generation of an interrupted count with the same configuration, if there is one."""
        document = recorded.get(NEXT)
        if document is None:
            return None
        number = int(msgspec.json.decode(document)["generation"])
        same = document.encode() == self._counter_config.of_generation(number, self.topic_id)
        return number if same and number > self._live else None

    async def _recorded(self) -> dict[str, str]:
        with translate_errors():
            found: dict[Any, Any] = await self._redis.hgetall(keys.ONLY.deployment)
        return {field.decode(): value.decode() for field, value in found.items()}

    def _changes_of(self, recorded: Mapping[str, str], topic_id: str | None) -> Sequence[Change]:
        if topic_id is None or "topic" not in recorded:
            raise OperatorError("Redis holds no counters yet: start a worker, which counts the whole log.")
        if recorded["topic"] != self._counter_config.deployment.topic:
            raise OperatorError(
                f"Redis holds counters for KAFKA_TOPIC={recorded['topic']!r}, not for "
                f"{self._counter_config.deployment.topic!r}: "
                "a rebuild can't change the topic. Use another Redis database."
            )
        return self._counter_config.changes_of(recorded)

    def _next_counter_config(self) -> bytes:
        return self._counter_config.of_generation(self._next, self.topic_id)


def _lost() -> UnavailableError:
    return UnavailableError(
        "The next generation is out of date: Redis lost its counters, the topic was recreated, or the list "
        "of forgotten users has changed. Nothing was replaced; start again."
    )
