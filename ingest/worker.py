"""The worker loop: reads the log, sorts out dead letters, and has the projection count the rest.

Each partition it owns has a lane. The loop's order is the guarantee: dead letters are acknowledged before the
checkpoint passes them, the checkpoint steps together with the counters, and Kafka is told last.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import structlog

from ingest.batch import Batch, Offset, Partition
from ingest.ends import EndSamples
from ingest.errors import PartitionStoppedError, UnavailableError
from ingest.event import Event
from ingest.patience import Patience
from ingest.ports import DeadLetters, Extent, Projection, Record, Source
from ingest.sorting import Sorter
from ingest.tally import Tally

BEAT_SECONDS: Final = 1.0
STOPPED_PARTITION_SECONDS: Final = 30.0
"""After how long a stopped partition is tried again: an operator may have mended it."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Lane:
    """The worker's place in one partition: `next` is the end of the batch that was applied last."""

    next: Offset
    ends: EndSamples = field(default_factory=EndSamples)


class Worker:
    """One member of the consumer group. `clock` gives the time of day, aware."""

    def __init__(
        self,
        *,
        source: Source,
        projection: Projection,
        dead_letters: DeadLetters,
        sorter: Sorter,
        clock: Callable[[], datetime],
        tally: Tally,
    ) -> None:
        self._source = source
        self._projection = projection
        self._dead_letters = dead_letters
        self._sorter = sorter
        self._clock = clock
        self._tally = tally
        self._lanes: dict[Partition, Lane] = {}
        self._unpositioned: set[Partition] = set()
        self._stopped_until: dict[Partition, float] = {}
        self._next_beat = 0.0

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until the stop is asked for; then finish the batch in hand, and leave the group."""
        self._patience = Patience(stopping, self._idle)
        async with asyncio.TaskGroup() as tasks:
            watch = tasks.create_task(self._watch())
            try:
                while not stopping.is_set():
                    await self._step()
            except UnavailableError as error:
                if not stopping.is_set():
                    raise
                log.warning("stopped while waiting", cause=str(error))  # what is not done is not checkpointed
            watch.cancel()
        await self._leave()

    async def _step(self) -> None:
        self._take_assignment()
        if self._unpositioned:
            await self._patience.insist(self._position)
        try:
            polled = await self._source.poll()
        except UnavailableError as error:
            log.warning("the log can't be read", cause=str(error))
            self._unpositioned.update(self._lanes)  # records of any partition may be lost on the way
            self._lanes.clear()
            await asyncio.sleep(BEAT_SECONDS)
            return
        for partition, records in polled.items():
            await self._take(partition, records)
        if asyncio.get_running_loop().time() >= self._next_beat:
            await self._beat()

    def _take_assignment(self) -> None:
        assigned = self._source.take_assignment()
        if assigned is None:
            return
        self._lanes.clear()
        self._stopped_until.clear()
        self._unpositioned = set(assigned)
        log.info("assigned", partitions=sorted(map(str, assigned)))

    async def _take(self, partition: Partition, records: Sequence[Record]) -> None:
        lane = self._lanes.get(partition)
        if lane is None:
            return
        sorted_ = self._sorter.sort(partition, records, self._clock())
        end = Offset(records[-1].offset + 1)
        if sorted_.letters:
            # Before the checkpoint: once it has passed a record, nobody reads that record again.
            await self._patience.insist(self._dead_letters.publish, sorted_.letters)
            self._tally.dead_letters.update(letter.reason for letter in sorted_.letters)
        self._tally.records += len(records)
        await self._apply(lane, partition, end, sorted_.events)

    async def _apply(self, lane: Lane, partition: Partition, end: Offset, events: Sequence[Event]) -> None:
        batch = Batch(
            partition=partition, start=lane.next, end=end, events=events, as_of=lane.ends.as_of(end)
        )
        try:
            stored = await self._patience.insist(self._projection.apply, batch)
            if stored == end:
                lane.next = end
                self._tally.batches += 1
            else:
                await self._patience.insist(self._lose_place, batch, stored)
        except PartitionStoppedError as error:
            self._stop_partition(error)

    async def _lose_place(self, batch: Batch, stored: Offset | None) -> None:
        """The checkpoint is not where this worker left it: drop the batch, and start from what is stored."""
        self._lanes.pop(batch.partition, None)
        self._unpositioned.add(batch.partition)
        if stored is not None and stored > batch.start:
            self._tally.refused += 1
            log.info("another worker went on", partition=str(batch.partition), checkpoint=stored)
            return
        self._tally.rollbacks += 1
        log.warning(
            "Redis lost its newest state", partition=str(batch.partition), checkpoint=stored, was=batch.start
        )
        if stored is not None:
            await self._projection.rewind(batch.partition, stored, stored)

    def _stop_partition(self, error: PartitionStoppedError) -> None:
        log.error("partition stopped", partition=str(error.partition), cause=str(error))
        self._lanes.pop(error.partition, None)
        self._source.pause([error.partition])
        self._stopped_until[error.partition] = asyncio.get_running_loop().time() + STOPPED_PARTITION_SECONDS

    async def _position(self) -> None:
        """Give every partition the position that Redis knows, never Kafka's committed offset."""
        self._take_assignment()  # it may have changed while we waited
        extents = await self._source.extents()
        checkpoints = await self._projection.checkpoints()
        beginnings = {partition: extent.beginning for partition, extent in extents.items()}
        if beginnings.keys() - checkpoints.keys():
            # All partitions, not only ours: from here on readers know how many there are.
            await self._projection.begin(beginnings)
            checkpoints = await self._projection.checkpoints()
        for partition in sorted(self._unpositioned & checkpoints.keys() & extents.keys()):
            await self._position_one(partition, checkpoints[partition], extents[partition])

    async def _position_one(self, partition: Partition, checkpoint: Offset, extent: Extent) -> None:
        if not extent.beginning <= checkpoint <= extent.end:
            await self._report_gap(partition, checkpoint, extent)
            checkpoint = extent.beginning
        self._lanes[partition] = Lane(checkpoint)
        self._unpositioned.discard(partition)
        self._source.seek(partition, checkpoint)
        self._source.resume([partition])
        log.info("positioned", partition=str(partition), checkpoint=checkpoint, end=extent.end)

    async def _report_gap(self, partition: Partition, checkpoint: Offset, extent: Extent) -> None:
        self._tally.gaps += 1
        cause = (
            "retention removed records before they were counted"
            if checkpoint < extent.beginning
            else "the log is shorter than what was counted: it was truncated, or the topic recreated"
        )
        log.error(
            "gap",
            partition=str(partition),
            cause=cause,
            checkpoint=checkpoint,
            beginning=extent.beginning,
            end=extent.end,
        )
        # What the log still holds is counted again from its beginning: a union forgives that.
        await self._projection.rewind(partition, checkpoint, extent.beginning)

    async def _beat(self) -> None:
        """Step every lane by nothing: finds a rollback without traffic, and keeps as-of fresh."""
        loop = asyncio.get_running_loop()
        self._next_beat = loop.time() + BEAT_SECONDS
        for partition, lane in list(self._lanes.items()):
            end = await self._position_of(partition, lane)
            await self._apply(lane, partition, end, ())
        for partition, until in list(self._stopped_until.items()):
            if loop.time() >= until:
                del self._stopped_until[partition]
                self._unpositioned.add(partition)

    async def _position_of(self, partition: Partition, lane: Lane) -> Offset:
        """Where the lane stands, past any control records that follow its last batch."""
        try:
            return max(lane.next, await self._source.position(partition))
        except UnavailableError:
            return lane.next

    async def _watch(self) -> None:
        """Sample the log's ends beside the loop, so that a slow Kafka delays nothing but as-of."""
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            with suppress(UnavailableError):  # the loop meets the same, and says so
                instant = self._clock()
                extents = await self._source.extents()
                for partition, lane in self._lanes.items():
                    if partition in extents:
                        lane.ends.add(extents[partition].end, instant)
                await self._source.commit({partition: lane.next for partition, lane in self._lanes.items()})

    async def _idle(self, seconds: float) -> None:
        """Wait with every partition paused, but polling: who does not poll is put out of the group."""
        self._source.pause(self._lanes)
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        self._tally.waits += 1
        while (left := until - loop.time()) > 0:
            with suppress(UnavailableError):
                await self._source.poll()
            await asyncio.sleep(min(left, 0.01))
        self._source.resume(self._lanes)

    async def _leave(self) -> None:
        with suppress(UnavailableError):
            await self._source.commit({partition: lane.next for partition, lane in self._lanes.items()})
        log.info("stopped", records=self._tally.records, batches=self._tally.batches)
