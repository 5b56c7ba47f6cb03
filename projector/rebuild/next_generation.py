"""The succession: the log is counted anew beside the live counters, and takes their place in one step.

The next generation has keys of its own, its checkpoints among them, so that an interrupted count goes on
where it was.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal

import msgspec

from ingest.batch import Batch, Offset, Partition
from ingest.errors import OperatorError, UnavailableError
from projector import keys, scripts
from projector.checkpoints import read_checkpoints, read_progress
from projector.counted_users import CountedUsers
from projector.counter_config import CounterConfig
from projector.dedup_cache import DedupCache
from projector.deployment import Change
from projector.fold import fold, pack
from projector.rebuild.comparison import Comparison
from projector.rebuild.generations import number_generation, remove_generations_but
from projector.redis import Redis
from projector.redis.errors import translate_errors
from projector.redis.server import MemoryGuard
from projector.scripts.apply import ApplyScript, pack_call

NEXT: Final = "next"
"""The field of the deployment that says what is being counted anew."""

Switch = Literal["DONE", "BEHIND", "LOST"]

Consent = Callable[[Sequence[Change]], None]
"""Raises `OperatorError` where the counters are not to be changed in these ways."""


class NextGeneration:
    """Counts the next generation. `rebuilder` is the token of who does; `clock` gives the time, aware.

    Every method raises `UnavailableError` where Redis is away, or has lost what was counted.
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
        self._room = MemoryGuard(redis)
        self._counter_config = counter_config
        self._counted_users = counted_users
        self._rebuilder = lock
        self._clock = clock
        self._began_at = clock()
        self._recent = DedupCache()
        self._apply = ApplyScript(redis)
        self._switch = redis.register_script(scripts.source(scripts.SWITCH))

    async def changes(self) -> Sequence[Change]:
        """Return what would change.

        Raises `OperatorError` where nothing was counted yet, or another topic.
        """
        return self._changes_of(await self._recorded(), (await read_progress(self._redis)).topic_id)

    async def begin(self, consent: Consent) -> Sequence[Change]:
        """Begin, or continue where a count of the same meaning was interrupted; return what changes by it.

        Raises as `changes` does, and what `consent` raises: nothing is written then.
        """
        progress = await read_progress(self._redis)
        recorded = await self._recorded()
        self.topic_id = progress.topic_id
        changes = self._changes_of(recorded, progress.topic_id)
        consent(changes)
        self._live = progress.generation
        self._next = self._interrupted(recorded) or await number_generation(self._redis)
        self.live, self.next = keys.ONLY.generation(self._live), keys.ONLY.generation(self._next)
        await self._remove_all_but(self._live, self._next)
        with translate_errors():
            await self._redis.hset(keys.ONLY.deployment, NEXT, self._next_counter_config())
        return changes

    async def place(self, beginnings: Mapping[Partition, Offset]) -> None:
        """Set where the first batch of each partition starts, of those that have no checkpoint yet."""
        with translate_errors():
            async with self._redis.pipeline(transaction=True) as pipeline:
                for partition, beginning in beginnings.items():
                    pipeline.hsetnx(self.next.checkpoints, str(partition), str(beginning))
                await pipeline.execute()

    async def checkpoints(self) -> Mapping[Partition, Offset]:
        """Return how far each partition is counted anew."""
        return await read_checkpoints(self._redis, self.next)

    async def apply(self, batch: Batch) -> None:
        """Count a batch, as a worker does."""
        await self._room.check()
        folded = fold(
            batch.events, self._counter_config.calendar, self._counted_users.activity_filter, self._began_at
        )
        additions = self._recent.without_known(batch, folded.additions)
        names = [self.next.key(addition.counter) for addition in additions]
        with translate_errors():
            stored = await self._apply(
                pack_call(batch, self.next, names, pack(additions, self._counted_users))
            )
        if stored != batch.end:
            raise _lost()
        self._recent.remember(batch, additions)

    def comparison(self) -> Comparison:
        """Return the comparison of the live counters with the next ones."""
        return Comparison(self._redis, self._counter_config.calendar, self.live, self.next, clock=self._clock)

    async def switch(self) -> bool:
        """Let the next generation be the live one; tell whether it had come as far as that."""
        fields = [word for field in self._counter_config.fields().items() for word in field]
        checkpoints = [name for space in (self.live, self.next) for name in (space.checkpoints, space.as_of)]
        with translate_errors():
            answer = await self._switch(
                keys=[keys.ONLY.deployment, keys.ONLY.rebuild_lock, *checkpoints],
                args=[
                    self._rebuilder,
                    self._live,
                    self._next,
                    self._next_counter_config(),
                    self.topic_id or "",
                    self._counter_config.revision,
                    *fields,
                ],
            )
        outcome: Switch = answer.decode()
        if outcome == "LOST":
            raise _lost()
        return outcome == "DONE"

    async def discard(self) -> None:
        """Remove what was counted anew."""
        # First: who is cut off in the middle of the removal leaves nothing to go on with.
        with translate_errors():
            await self._redis.hdel(keys.ONLY.deployment, NEXT)
        await self._remove_all_but(self._live)

    async def remove_former(self) -> None:
        """Remove the counters that were live, after the switch."""
        await remove_generations_but(self._redis, [self._next], live=self._next, lock=self._rebuilder)

    async def _remove_all_but(self, *kept: int) -> None:
        await remove_generations_but(self._redis, kept, live=self._live, lock=self._rebuilder)

    def _interrupted(self, recorded: Mapping[str, str]) -> int | None:
        """Return the generation that a count of the same meaning has begun, if there is one."""
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
            raise OperatorError("Redis holds no counters yet: start a worker, it counts the whole log.")
        if recorded["topic"] != self._counter_config.deployment.topic:
            raise OperatorError(
                f"Redis counts the topic {recorded['topic']!r}, and not "
                f"{self._counter_config.deployment.topic!r}: "
                "another log can't be counted in its place. Give it a Redis database of its own."
            )
        return self._counter_config.changes_of(recorded)

    def _next_counter_config(self) -> bytes:
        return self._counter_config.of_generation(self._next, self.topic_id)


def _lost() -> UnavailableError:
    return UnavailableError(
        "What was counted anew is no longer what it was to be: Redis lost it, the topic was recreated, or "
        "somebody is to be forgotten. Nothing was replaced; start again."
    )
