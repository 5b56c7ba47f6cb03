"""The succession: the log is counted anew beside the live counters, and takes their place in one step.

The next generation has keys of its own, its checkpoints among them, so that an interrupted count goes on
where it was. While it comes level, and only then, the live counters stand still for a moment.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from redis.asyncio import Redis

from ingest.batch import Batch, Offset, Partition
from ingest.errors import RefusedError, UnavailableError
from projector import keys, scripts
from projector.calendar import Calendar
from projector.comparison import Comparison
from projector.deployment import Deployment
from projector.errors import errors_named
from projector.fold import fold, pack
from projector.pages import remove_all
from projector.people import People
from projector.progress import Progress, read_checkpoints, read_progress

LONGEST_HOLD: Final = timedelta(seconds=2)
"""After which the live counters go on by themselves, should whoever holds them be gone."""


class Succession:
    """Counts the next generation. `deployment` is what it is to mean; `clock` gives the time of day, aware.

    Every method raises `UnavailableError` where Redis is away, or somebody else does the same.
    """

    def __init__(
        self,
        redis: Redis,
        calendar: Calendar,
        people: People,
        *,
        deployment: Deployment,
        clock: Callable[[], datetime],
    ) -> None:
        self._redis = redis
        self._calendar = calendar
        self._people = people
        self._deployment = deployment
        self._clock = clock
        self._began_at = clock()
        self._live = 0
        self._apply = redis.register_script(scripts.source(scripts.APPLY))
        self._switch = redis.register_script(scripts.source(scripts.SWITCH))

    @property
    def live(self) -> keys.Keyspace:
        return keys.generation(self._live)

    @property
    def next(self) -> keys.Keyspace:
        return keys.generation(self._live + 1)

    async def begin(self, beginnings: Mapping[Partition, Offset]) -> bool:
        """Begin, or go on where a count of the same meaning was interrupted; tell whether it goes on.

        `beginnings` are where the log of each partition begins. Raises `RefusedError` where nothing was
        counted yet, or another topic.
        """
        progress = await read_progress(self._redis)
        self._live = progress.generation
        with errors_named():
            recorded: dict[Any, Any] = await self._redis.hgetall(keys.DEPLOYMENT)
        _check_topic(recorded, self._deployment)
        meaning = self._meaning(progress)
        goes_on = bool(recorded.get(b"next") == meaning)
        if not goes_on:
            await remove_all(self._redis, self.next)
        with errors_named():
            await self._redis.hset(keys.DEPLOYMENT, "next", meaning)
        await self._place(beginnings)
        return goes_on

    async def checkpoints(self) -> Mapping[Partition, Offset]:
        """Return how far each partition is counted anew."""
        return await read_checkpoints(self._redis, self.next)

    async def live_checkpoints(self) -> Mapping[Partition, Offset]:
        return await read_checkpoints(self._redis, self.live)

    async def apply(self, batch: Batch) -> None:
        """Count a batch, as a worker does."""
        additions = fold(batch.events, self._calendar, self._people, self._began_at).additions
        names = [self.next.key(addition.counter) for addition in additions]
        with errors_named():
            stored = await self._apply(
                keys=[self.next.checkpoints, self.next.as_of, *names],
                args=[str(batch.partition), batch.start, batch.end, "", pack(additions)],
            )
        if stored is None or int(stored) != batch.end:
            raise UnavailableError("Redis lost what was counted, or somebody else rebuilds: start again.")

    def comparison(self) -> Comparison:
        """Return the comparison of the live counters with the next ones."""
        return Comparison(self._redis, self._calendar, self.live, self.next, clock=self._clock)

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Have the live counters stand still while the block lasts, and for no longer than `LONGEST_HOLD`."""
        with errors_named():
            seconds, microseconds = await self._redis.time()
            until = seconds * 1000 + microseconds // 1000 + int(LONGEST_HOLD.total_seconds() * 1000)
            await self._redis.hset(keys.DEPLOYMENT, "held_until", str(until))
        try:
            yield
        finally:
            with errors_named():
                await self._redis.hdel(keys.DEPLOYMENT, "held_until")

    async def switch(self) -> bool:
        """Let the next generation be the live one, unless it has not come as far yet."""
        fields = [word for field in self._deployment.fields().items() for word in field]
        with errors_named():
            done = await self._switch(
                keys=[
                    keys.DEPLOYMENT,
                    self.live.checkpoints,
                    self.live.as_of,
                    self.next.checkpoints,
                    self.next.as_of,
                ],
                args=[self._live, self._live + 1, *fields],
            )
        return bool(done)

    async def discard(self) -> None:
        """Remove what was counted anew."""
        with errors_named():
            await self._redis.hdel(keys.DEPLOYMENT, "next")
        await remove_all(self._redis, self.next)

    async def remove_former(self) -> None:
        """Remove the counters that were live, after the switch."""
        await remove_all(self._redis, self.live)

    async def _place(self, beginnings: Mapping[Partition, Offset]) -> None:
        with errors_named():
            async with self._redis.pipeline(transaction=True) as pipeline:
                for partition, beginning in beginnings.items():
                    pipeline.hsetnx(self.next.checkpoints, str(partition), str(beginning))
                await pipeline.execute()

    def _meaning(self, progress: Progress) -> bytes:
        """Say what is counted: what was begun for something else is of no use."""
        return msgspec.json.encode(
            {
                **self._deployment.fields(),
                "generation": self._live + 1,
                "topic_id": progress.topic_id,
                "forgotten": self._people.forgotten_digest,
            }
        )


def _check_topic(recorded: Mapping[bytes, bytes], deployment: Deployment) -> None:
    topic = recorded.get(b"topic")
    if topic is None:
        raise RefusedError("Redis holds no counters yet: start a worker, it counts the whole log.")
    if topic.decode() != deployment.topic:
        raise RefusedError(
            f"Redis counts the topic {topic.decode()!r}, and not {deployment.topic!r}: "
            "another log can't be counted in its place. Give it a Redis database of its own."
        )
