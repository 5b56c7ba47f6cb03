"""The applier: has the projection count batches, one at a time, while the worker reads and sorts the next."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog

from ingest.batch import Batch, Offset, Partition
from ingest.errors import PartitionStoppedError, SupersededError
from ingest.events.event import Event
from ingest.ports import Projection, Source, Step
from ingest.worker.assignment import Assignment, PartitionPosition
from ingest.worker.partition_backoff import PartitionBackoff
from ingest.worker.retry import Retry
from ingest.worker.stats import Stats

TURNS_TO_SEND: Final = 4
"""Of the event loop, until a client has sent a batch, which then is counted while the worker goes on here."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _InFlight:
    """A batch that was handed over for the lane it is of, and the first try of it, until that is over."""

    batch: Batch
    position: PartitionPosition
    step: Step
    first_try: asyncio.Task[Offset | None] | None


class BatchWriter:
    """Keeps the order: a batch is handed over only once it is known what became of the one before."""

    def __init__(
        self,
        source: Source,
        projection: Projection,
        *,
        assignment: Assignment,
        backoff: PartitionBackoff,
        stats: Stats,
        clock: Callable[[], datetime],
    ) -> None:
        self._source = source
        self._projection = projection
        self._assignment = assignment
        self._backoff = backoff
        self._stats = stats
        self._clock = clock
        self._in_flight: _InFlight | None = None

    async def submit(
        self,
        partition: Partition,
        end: Offset,
        events: Sequence[Event],
        retry: Retry,
        *,
        stamp: int | None = None,
    ) -> bool:
        """Begin to apply the batch that leads a placed lane to `end`, as soon as the one before is in.

        `stamp` is as in `Batch`. Returns False where that lost the lane its place: then the batch is dropped,
        and will be read again.
        """
        position = self._assignment.placed[partition]
        batch = Batch(
            partition=partition,
            start=self._next(position),
            end=end,
            events=events,
            as_of=position.watermarks.as_of(end),
            stamp=stamp,
        )
        step = self._projection.prepare(batch)
        await self.drain(retry)
        if self._assignment.placed.get(partition) is not position:
            return False
        self._in_flight = _InFlight(batch, position, step, asyncio.create_task(self._take(batch, step)))
        for _ in range(TURNS_TO_SEND):
            await asyncio.sleep(0)
        return True

    async def drain(self, retry: Retry) -> None:
        """Wait for the batch under way, try it again for as long as that may help, and act on its outcome."""
        in_flight, self._in_flight = self._in_flight, None
        if in_flight is None:
            return
        try:
            stored = await retry.retry_until_stopped(self._outcome, in_flight)
        except PartitionStoppedError as error:
            if self._is_wanted(in_flight):
                self.stop(error)
        except SupersededError as error:
            log.info("going on with what is counted now", cause=str(error))
            self._assignment.reset_all()
        else:
            if self._is_wanted(in_flight):
                await self._go_on(in_flight, stored, retry)

    async def cancel_in_flight(self) -> None:
        """Cut off the batch under way, if there is one: whether it gets in is up to the checkpoint."""
        in_flight, self._in_flight = self._in_flight, None
        if in_flight is not None and in_flight.first_try is not None:
            in_flight.first_try.cancel()
            await asyncio.gather(in_flight.first_try, return_exceptions=True)

    def stop(self, error: PartitionStoppedError) -> None:
        """Take a partition out that can't go on by itself."""
        log.error("partition stopped", partition=str(error.partition), cause=str(error))
        self._assignment.stop(error.partition, str(error))
        self._source.pause([error.partition])
        self._backoff.add(error.partition, asyncio.get_running_loop().time())

    def _is_wanted(self, in_flight: _InFlight) -> bool:
        """Tell whether its lane still stands: else its place is sought again anyway, or is no longer ours."""
        return self._assignment.placed.get(in_flight.batch.partition) is in_flight.position

    def _next(self, position: PartitionPosition) -> Offset:
        """Return where the lane stands once the batch under way is in."""
        in_flight = self._in_flight
        return (
            in_flight.batch.end if in_flight is not None and in_flight.position is position else position.next
        )

    async def _outcome(self, in_flight: _InFlight) -> Offset | None:
        first_try, in_flight.first_try = in_flight.first_try, None
        return await (first_try or self._take(in_flight.batch, in_flight.step))

    async def _take(self, batch: Batch, step: Step) -> Offset | None:
        started = asyncio.get_running_loop().time()
        stored = await step()
        if stored == batch.end:
            self._stats.state.step(batch)
            if batch.end > batch.start:
                seconds = asyncio.get_running_loop().time() - started
                self._stats.note_batch(batch.events, seconds=seconds, now=self._clock())
        return stored

    async def _go_on(self, in_flight: _InFlight, stored: Offset | None, retry: Retry) -> None:
        batch = in_flight.batch
        if stored != batch.end:
            await self._lose_place(batch, stored, retry)
            return
        in_flight.position.next = batch.end
        if batch.end > batch.start:
            self._backoff.forget(batch.partition)

    async def _lose_place(self, batch: Batch, stored: Offset | None, retry: Retry) -> None:
        """The checkpoint is not where this worker left it: drop the batch, and start from what is stored."""
        self._assignment.lose(batch.partition)
        if stored is not None and stored > batch.start:
            self._stats.refused += 1
            log.info("another worker went on", partition=str(batch.partition), checkpoint=stored)
            return
        self._stats.rollbacks += 1
        log.warning(
            "Redis lost its newest state", partition=str(batch.partition), checkpoint=stored, was=batch.start
        )
        if stored is not None:
            await retry.retry_until_stopped(
                self._projection.rewind, batch.partition, expected=stored, to=stored, gap=None
            )
        # After the rewind: until then the API answers as if nothing was lost.
        await retry.retry_until_stopped(self._projection.record_rollback)
