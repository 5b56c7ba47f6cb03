"""Writes batches to the projection, one at a time, while the worker reads and decodes the next."""

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
from ingest.worker.retry import Retry
from ingest.worker.stats import Stats

ITERATIONS_TO_SEND: Final = 4
"""Iterations of the event loop until a client has sent a batch; the worker continues meanwhile."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _InFlight:
    """A submitted batch, the position it belongs to, and its first attempt until that has ended."""

    batch: Batch
    position: PartitionPosition
    step: Step
    first_attempt: asyncio.Task[Offset | None] | None


class BatchWriter:
    """Keeps batches in order: each is sent only after the outcome of the previous one is known.

    `retry` is used for attempts that fail with `UnavailableError`; `clock` gives the time of day, aware.
    """

    def __init__(
        self,
        source: Source,
        projection: Projection,
        *,
        assignment: Assignment,
        stats: Stats,
        clock: Callable[[], datetime],
        retry: Retry,
    ) -> None:
        self._source = source
        self._projection = projection
        self._assignment = assignment
        self._stats = stats
        self._clock = clock
        self._retry = retry
        self._in_flight: _InFlight | None = None

    async def submit(
        self, partition: Partition, end: Offset, events: Sequence[Event], *, stamp: int | None = None
    ) -> bool:
        """Start to apply a batch that moves the partition to `end`, after the previous batch is applied.

        `stamp` is as in `Batch`. Returns False if the previous batch's outcome reset the partition's
        position; the batch is then dropped and will be read again.
        """
        position = self._assignment.placed[partition]
        batch = Batch(
            partition=partition,
            start=self._next_start(position),
            end=end,
            events=events,
            as_of=position.watermarks.as_of(end),
            stamp=stamp,
        )
        step = self._projection.stage(batch)
        await self.drain()
        if self._assignment.placed.get(partition) is not position:
            return False
        self._in_flight = _InFlight(batch, position, step, asyncio.create_task(self._apply(batch, step)))
        for _ in range(ITERATIONS_TO_SEND):
            await asyncio.sleep(0)
        return True

    async def drain(self) -> None:
        """Wait for the batch in flight, with retries, and handle its outcome."""
        in_flight, self._in_flight = self._in_flight, None
        if in_flight is None:
            return
        try:
            stored = await self._retry.retry_until_stopped(self._attempt, in_flight)
        except PartitionStoppedError as error:
            if self._has_position(in_flight):
                self.stop(error)
        except SupersededError as error:
            log.info("projection superseded", cause=str(error))
            self._assignment.reset_all()
        else:
            if self._has_position(in_flight):
                await self._finish(in_flight, stored)

    async def cancel_in_flight(self) -> None:
        """Cancel the batch in flight, if any; the checkpoint shows later whether Redis applied it."""
        in_flight, self._in_flight = self._in_flight, None
        if in_flight is not None and in_flight.first_attempt is not None:
            in_flight.first_attempt.cancel()
            await asyncio.gather(in_flight.first_attempt, return_exceptions=True)

    def stop(self, error: PartitionStoppedError) -> None:
        """Stop a partition that can't continue without an operator, until its backoff is over."""
        log.error("partition stopped", partition=str(error.partition), cause=str(error))
        self._assignment.stop(error.partition, str(error))
        self._source.pause([error.partition])
        self._assignment.backoff.add(error.partition, asyncio.get_running_loop().time())

    def _has_position(self, in_flight: _InFlight) -> bool:
        """Return whether the batch's position is still in use; otherwise its outcome no longer matters."""
        return self._assignment.placed.get(in_flight.batch.partition) is in_flight.position

    def _next_start(self, position: PartitionPosition) -> Offset:
        """Return the position after the batch in flight."""
        in_flight = self._in_flight
        return (
            in_flight.batch.end if in_flight is not None and in_flight.position is position else position.next
        )

    async def _attempt(self, in_flight: _InFlight) -> Offset | None:
        first, in_flight.first_attempt = in_flight.first_attempt, None
        return await (first or self._apply(in_flight.batch, in_flight.step))

    async def _apply(self, batch: Batch, step: Step) -> Offset | None:
        started = asyncio.get_running_loop().time()
        stored = await step()
        if stored == batch.end:
            self._stats.state.step(batch)
            if batch.end > batch.start:
                seconds = asyncio.get_running_loop().time() - started
                self._stats.note_batch(batch.events, seconds=seconds, now=self._clock())
        return stored

    async def _finish(self, in_flight: _InFlight, stored: Offset | None) -> None:
        batch = in_flight.batch
        if stored != batch.end:
            await self._reset_position(batch, stored)
            return
        in_flight.position.next = batch.end
        if batch.end > batch.start:
            self._assignment.backoff.reset(batch.partition)

    async def _reset_position(self, batch: Batch, stored: Offset | None) -> None:
        """Drop the batch and restart from the stored checkpoint, which is not the one this worker expects."""
        self._assignment.reset(batch.partition)
        if stored is not None and stored > batch.start:
            self._stats.refused += 1
            # Another worker owns the partition.
            log.info("stale batch rejected", partition=str(batch.partition), checkpoint=stored)
            return
        self._stats.rollbacks += 1
        log.warning(
            "Redis lost its newest state", partition=str(batch.partition), checkpoint=stored, was=batch.start
        )
        if stored is not None:
            await self._retry.retry_until_stopped(
                self._projection.rewind, batch.partition, expected=stored, to=stored, gap=None
            )
        # After the rewind: until then, the API answers as if nothing was lost.
        await self._retry.retry_until_stopped(self._projection.record_rollback)
