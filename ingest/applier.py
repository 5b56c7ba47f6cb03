"""The applier: has the projection count batches, one at a time, while the worker reads and sorts the next."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog

from ingest.batch import Batch, Offset, Partition
from ingest.errors import PartitionStoppedError, SupersededError
from ingest.event import Event
from ingest.lanes import Lane, Lanes
from ingest.patience import Patience
from ingest.ports import Projection, Source, Step
from ingest.stops import Stops
from ingest.tally import Tally

TURNS_TO_SEND: Final = 4
"""Of the event loop, until a client has sent a batch, which then is counted while the worker goes on here."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _UnderWay:
    """A batch that was handed over for the lane it is of, and the first try of it, until that is over."""

    batch: Batch
    lane: Lane
    step: Step
    first_try: asyncio.Task[Offset | None] | None


class Applier:
    """Keeps the order: a batch is handed over only once it is known what became of the one before."""

    def __init__(
        self,
        source: Source,
        projection: Projection,
        *,
        lanes: Lanes,
        stops: Stops,
        tally: Tally,
        clock: Callable[[], datetime],
    ) -> None:
        self._source = source
        self._projection = projection
        self._lanes = lanes
        self._stops = stops
        self._tally = tally
        self._clock = clock
        self._under_way: _UnderWay | None = None

    async def hand_over(
        self, partition: Partition, end: Offset, events: Sequence[Event], patience: Patience
    ) -> bool:
        """Begin to apply the batch that leads a placed lane to `end`, as soon as the one before is in.

        Returns False where that lost the lane its place: then the batch is dropped, and will be read again.
        """
        lane = self._lanes.placed[partition]
        batch = Batch(
            partition=partition,
            start=self._next(lane),
            end=end,
            events=events,
            as_of=lane.ends.as_of(end),
        )
        step = self._projection.prepare(batch)
        await self.settle(patience)
        if self._lanes.placed.get(partition) is not lane:
            return False
        self._under_way = _UnderWay(batch, lane, step, asyncio.create_task(self._take(batch, step)))
        for _ in range(TURNS_TO_SEND):
            await asyncio.sleep(0)
        return True

    async def settle(self, patience: Patience) -> None:
        """Wait for the batch under way, try it again for as long as that may help, and act on its outcome."""
        under_way, self._under_way = self._under_way, None
        if under_way is None:
            return
        try:
            stored = await patience.insist(self._outcome, under_way)
        except PartitionStoppedError as error:
            if self._is_wanted(under_way):
                self.stop(error)
        except SupersededError as error:
            log.info("going on with what is counted now", cause=str(error))
            self._lanes.lose_all()
        else:
            if self._is_wanted(under_way):
                await self._go_on(under_way, stored, patience)

    async def abandon(self) -> None:
        """Cut off the batch under way, if there is one: whether it gets in is up to the checkpoint."""
        under_way, self._under_way = self._under_way, None
        if under_way is not None and under_way.first_try is not None:
            under_way.first_try.cancel()
            await asyncio.gather(under_way.first_try, return_exceptions=True)

    def stop(self, error: PartitionStoppedError) -> None:
        """Take a partition out that can't go on by itself."""
        log.error("partition stopped", partition=str(error.partition), cause=str(error))
        self._lanes.stop(error.partition, str(error))
        self._source.pause([error.partition])
        self._stops.add(error.partition, asyncio.get_running_loop().time())

    def _is_wanted(self, under_way: _UnderWay) -> bool:
        """Tell whether its lane still stands: else its place is sought again anyway, or is no longer ours."""
        return self._lanes.placed.get(under_way.batch.partition) is under_way.lane

    def _next(self, lane: Lane) -> Offset:
        """Return where the lane stands once the batch under way is in."""
        under_way = self._under_way
        return under_way.batch.end if under_way is not None and under_way.lane is lane else lane.next

    async def _outcome(self, under_way: _UnderWay) -> Offset | None:
        first_try, under_way.first_try = under_way.first_try, None
        return await (first_try or self._take(under_way.batch, under_way.step))

    async def _take(self, batch: Batch, step: Step) -> Offset | None:
        started = asyncio.get_running_loop().time()
        stored = await step()
        if stored == batch.end:
            self._tally.state.step(batch)
            if batch.end > batch.start:
                seconds = asyncio.get_running_loop().time() - started
                self._tally.note_batch(batch.events, seconds=seconds, now=self._clock())
        return stored

    async def _go_on(self, under_way: _UnderWay, stored: Offset | None, patience: Patience) -> None:
        batch = under_way.batch
        if stored != batch.end:
            await self._lose_place(batch, stored, patience)
            return
        under_way.lane.next = batch.end
        if batch.end > batch.start:
            self._stops.forget(batch.partition)

    async def _lose_place(self, batch: Batch, stored: Offset | None, patience: Patience) -> None:
        """The checkpoint is not where this worker left it: drop the batch, and start from what is stored."""
        self._lanes.lose(batch.partition)
        if stored is not None and stored > batch.start:
            self._tally.refused += 1
            log.info("another worker went on", partition=str(batch.partition), checkpoint=stored)
            return
        self._tally.rollbacks += 1
        log.warning(
            "Redis lost its newest state", partition=str(batch.partition), checkpoint=stored, was=batch.start
        )
        if stored is not None:
            await patience.insist(
                self._projection.rewind, batch.partition, expected=stored, to=stored, gap=None
            )
