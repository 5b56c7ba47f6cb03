"""Fakes of the projection and the dead letters, in memory.

They keep the promises of `ingest.ports`; `tests/suites` holds them to the same assertions as Redis and Kafka.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Final
from zoneinfo import ZoneInfo

from ingest.batch import Batch, Offset, Partition
from ingest.ports import Checkpoints, DeadLetter, Gap, LogState, Step
from projector import keys
from projector.activity_filter import COUNT_ALL
from projector.calendar import Calendar
from projector.fold import fold
from tests.support.fakes_log import NOW
from tests.support.steps import Steps

FOR_EVER: Final = Calendar(time_zone=ZoneInfo("UTC"), retention_days=0, bucket_retention_days=0)


@dataclass
class Projected:
    """What a Redis would hold; counters hold the ids themselves."""

    topic_id: str | None = None
    checkpoints: dict[Partition, Offset] = field(default_factory=dict)
    as_of: dict[Partition, datetime] = field(default_factory=dict)
    gaps: list[Gap] = field(default_factory=list)
    rolled_back_at: datetime | None = None
    counters: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def snapshot(self) -> "Projected":
        return deepcopy(self)

    def restore(self, earlier: "Projected") -> None:
        """Go back to an earlier state, as a Redis does that lost its newest one."""
        vars(self).update(vars(deepcopy(earlier)))

    def count(self, batch: Batch) -> None:
        """Count a batch wherever the checkpoint is."""
        for addition in fold(batch.events, FOR_EVER, COUNT_ALL, NOW).additions:
            self.counters[keys.FIRST.key(addition.counter)] |= addition.user_ids
        self.checkpoints[batch.partition] = batch.end
        if batch.as_of is not None:
            known = self.as_of.get(batch.partition, batch.as_of)
            self.as_of[batch.partition] = max(known, batch.as_of)


class FakeProjection:
    """One worker's projection. Its counters are sets, in what it shares with the other workers'."""

    def __init__(
        self, stored: Projected, *, steps: Steps | None = None, clock: Callable[[], datetime] = lambda: NOW
    ) -> None:
        self._stored = stored
        self._clock = clock
        self._steps = steps or Steps()
        self._topic_id: str | None = None
        """The id of the topic whose checkpoints were read last."""

    async def now(self) -> datetime:
        await self._steps.take("now")
        return self._clock()

    async def checkpoints(self) -> Checkpoints:
        await self._steps.take("checkpoints")
        self._topic_id = self._stored.topic_id
        found = Checkpoints(self._stored.topic_id, dict(self._stored.checkpoints), dict(self._stored.as_of))
        await self._steps.take("checkpoints done")
        return found

    async def is_current(self) -> bool:
        return True

    async def begin(self, log: LogState) -> None:
        await self._steps.take("begin")
        self._stored.topic_id = self._stored.topic_id or log.topic_id
        for partition, extent in log.extents.items():
            self._stored.checkpoints.setdefault(partition, extent.beginning)
        await self._steps.take("begin done")

    async def restart(self, log: LogState, gaps: Sequence[Gap]) -> None:
        await self._steps.take("restart")
        if self._stored.topic_id != log.topic_id:
            self._stored.gaps += gaps
            self._stored.as_of = {}
            self._stored.checkpoints = {each: extent.beginning for each, extent in log.extents.items()}
            self._stored.topic_id = log.topic_id
        await self._steps.take("restart done")

    async def rewind(self, partition: Partition, *, expected: Offset, to: Offset, gap: Gap | None) -> None:
        await self._steps.take("rewind")
        if self._checkpoint(partition) == expected:
            self._stored.gaps += [gap] if gap else []
            self._stored.as_of.pop(partition, None)
            self._stored.checkpoints[partition] = to
        await self._steps.take("rewind done")

    async def record_rollback(self) -> None:
        await self._steps.take("record rollback")
        self._stored.rolled_back_at = self._clock()

    def stage(self, batch: Batch) -> Step:
        return partial(self.apply, batch)

    async def apply(self, batch: Batch) -> Offset | None:
        await self._steps.take("apply")
        if self._checkpoint(batch.partition) == batch.start:
            self._stored.count(batch)
        checkpoint = self._checkpoint(batch.partition)
        await self._steps.take("apply done")
        return checkpoint

    def _checkpoint(self, partition: Partition) -> Offset | None:
        """The offsets of a recreated topic are the same: another topic's checkpoint is none."""
        same = self._stored.topic_id == self._topic_id
        return self._stored.checkpoints.get(partition) if same else None


class FakeDeadLetters:
    """Keeps the letters that were acknowledged."""

    def __init__(self, *, steps: Steps | None = None) -> None:
        self.letters: list[DeadLetter] = []
        self._steps = steps or Steps()

    async def publish(self, letters: Sequence[DeadLetter]) -> None:
        await self._steps.take("publish")
        self.letters += letters
        await self._steps.take("publish done")
