"""The worker loop: reads the log, publishes dead letters and writes the events to the projection.

Exactly-once counting rests on the order: dead letters are acknowledged before the checkpoint passes them, the
checkpoint moves in the same step as the counters, and offsets are committed to Kafka last.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final

import structlog

from ingest.batch import Offset, Partition
from ingest.errors import (
    HeadcountError,
    OutOfRangeError,
    PartitionStoppedError,
    UnavailableError,
    UnreadableError,
)
from ingest.events.decoding import DecodedRecords, RecordDecoder
from ingest.events.event import Event
from ingest.ports import DeadLetter, DeadLetters, Projection, Record, Source
from ingest.worker.assignment import Assignment, PartitionPosition
from ingest.worker.batch_writer import BatchWriter
from ingest.worker.positioning import Positioner
from ingest.worker.retry import Retry
from ingest.worker.stats import Stats
from ingest.worker.watermark_monitor import WatermarkMonitor

REFRESH_SECONDS: Final = 1.0
RECORDS_PER_SLICE: Final = 1_000
"""Records decoded before other tasks run: they take about a millisecond."""
SHUTDOWN_SECONDS: Final = 3.0
"""The time that a step in progress may take after a stop was requested."""

log = structlog.get_logger(__name__)


class Worker:
    """One member of the consumer group; `clock` gives the time of day, aware."""

    def __init__(
        self,
        *,
        source: Source,
        projection: Projection,
        dead_letters: DeadLetters,
        decoder: RecordDecoder,
        clock: Callable[[], datetime],
        stats: Stats,
    ) -> None:
        self._source = source
        self._projection = projection
        self._dead_letters = dead_letters
        self._decoder = decoder
        self._clock = clock
        self._stats = stats
        self._state = stats.state
        self._positioner = Positioner(source, projection, stats)
        self._assignment = Assignment(stats.state)
        self._watermark_monitor = WatermarkMonitor(
            source, projection, assignment=self._assignment, positioner=self._positioner, state=stats.state
        )
        self._next_refresh = 0.0

    async def run(self, stopping: asyncio.Event) -> None:
        """Run until `stopping` is set; then finish the batch in flight and commit offsets to Kafka."""
        self._retry = Retry(stopping, self._wait_polling, self._state)
        self._batch_writer = BatchWriter(
            self._source,
            self._projection,
            assignment=self._assignment,
            stats=self._stats,
            clock=self._clock,
            retry=self._retry,
        )
        try:
            await self._run_tasks(stopping)
        except* HeadcountError as errors:
            raise errors.exceptions[0] from None
        await self._watermark_monitor.commit()
        log.info("stopped", records=self._stats.records, batches=self._stats.batches)

    async def _run_tasks(self, stopping: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as tasks:
            monitor = tasks.create_task(self._watermark_monitor.run())
            loop = tasks.create_task(self._loop(stopping))
            stop = tasks.create_task(stopping.wait())
            await asyncio.wait([loop, stop], return_when=asyncio.FIRST_COMPLETED)
            # A poll can last as long as a rebalance. Work that is cancelled here is not checkpointed.
            await asyncio.wait([loop], timeout=SHUTDOWN_SECONDS)
            for task in (loop, stop, monitor):
                task.cancel()

    async def _loop(self, stopping: asyncio.Event) -> None:
        try:
            while not stopping.is_set():
                await self._step()
            await self._batch_writer.drain()
        except UnavailableError as error:
            if not stopping.is_set():
                raise
            log.warning("stopped while waiting", cause=str(error))
        finally:
            await self._batch_writer.cancel_in_flight()

    async def _step(self) -> None:
        self._state.turn()
        self._take_assignment()
        if self._watermark_monitor.take_reposition():
            self._assignment.reset_all()
        if self._assignment.seeking:
            await self._seek_positions()
        try:
            polled = await self._source.poll()
        except OutOfRangeError as error:
            log.warning("the log can't be read", cause=str(error))
            self._positioner.doubt(error.positions)
            self._assignment.reset_all()
        except UnavailableError as error:
            log.warning("the log can't be read", cause=str(error))
            self._assignment.reset_all()
            await asyncio.sleep(REFRESH_SECONDS)
        except UnreadableError as error:
            log.warning("records can't be read", cause=str(error))
            self._assignment.reset_all()
            await self._find_damage()
        else:
            for partition, records in polled.items():
                await self._process(partition, records)
            if not polled:
                await self._batch_writer.drain()
        if asyncio.get_running_loop().time() >= self._next_refresh:
            await self._refresh()

    def _take_assignment(self) -> None:
        assigned = self._source.take_assignment()
        if assigned is None:
            return
        self._assignment.assign(assigned)
        log.info("assigned", partitions=sorted(map(str, assigned)))

    async def _seek_positions(self) -> None:
        # First, since the batch in flight may still move a checkpoint that is read next.
        await self._batch_writer.drain()
        await self._retry.retry_until_stopped(self._position)

    async def _position(self) -> None:
        self._take_assignment()  # it may have changed during a retry's wait
        placed = await self._positioner.place(self._assignment.seeking)
        if not self._assignment.is_of_topic(self._positioner.topic_id):
            self._assignment.reset_all()
        for partition in self._assignment.seeking & self._positioner.unavailable.keys():
            self._assignment.set_aside(partition, self._positioner.unavailable[partition])
            # At any position, and paused: one that has none keeps a consumer from the others' records.
            self._source.pause([partition])
            self._source.seek(partition, Offset(0))
        for partition, place in placed.items():
            self._assignment.set_position(partition, place, self._positioner.topic_id)
            self._source.seek(partition, place.offset)
            self._source.resume([partition])

    async def _find_damage(self) -> None:
        """Read one partition at a time, and stop those whose records are damaged."""
        await self._seek_positions()
        for partition in list(self._assignment.placed):
            try:
                polled = await self._source.poll(partition)
            except UnreadableError as error:
                self._batch_writer.stop(PartitionStoppedError(partition, str(error)))
            except UnavailableError:
                self._assignment.reset_all()
                return
            else:
                for found, records in polled.items():
                    await self._process(found, records)

    async def _process(self, partition: Partition, records: Sequence[Record]) -> None:
        if partition not in self._assignment.placed:
            return
        decoded = await self._decode(partition, records)
        if decoded.letters:
            # Before the checkpoint: a record that it has passed is not read again.
            try:
                await self._retry.retry_until_stopped(self._dead_letters.publish, decoded.letters)
            except PartitionStoppedError as error:
                self._batch_writer.stop(error)
                return
            self._stats.dead_letters.update(letter.reason for letter in decoded.letters)
        end = Offset(records[-1].offset + 1)
        if await self._batch_writer.submit(partition, end, decoded.events, stamp=records[0].timestamp):
            self._stats.records += len(records)

    async def _decode(self, partition: Partition, records: Sequence[Record]) -> DecodedRecords:
        """Decode the records in slices, between which the event loop sends the batch in flight."""
        now = self._clock()
        events: list[Event] = []
        letters: list[DeadLetter] = []
        for start in range(0, len(records), RECORDS_PER_SLICE):
            decoded = self._decoder.decode(partition, records[start : start + RECORDS_PER_SLICE], now)
            events += decoded.events
            letters += decoded.letters
            await asyncio.sleep(0)
        return DecodedRecords(events, letters)

    async def _refresh(self) -> None:
        """Write an empty batch for every partition: detects a rollback without traffic, and updates as-of."""
        now = asyncio.get_running_loop().time()
        self._next_refresh = now + REFRESH_SECONDS
        await self._batch_writer.drain()
        for partition, position in list(self._assignment.placed.items()):
            if partition in self._assignment.placed:  # the previous batch may have reset every position
                end = await self._end_of(partition, position)
                await self._batch_writer.submit(partition, end, ())
                await self._batch_writer.drain()
        self._assignment.seeking.update(self._assignment.backoff.pop_expired(now))
        self._assignment.seek_available()

    async def _end_of(self, partition: Partition, position: PartitionPosition) -> Offset:
        """Return the next offset, past any control records that follow the last batch."""
        try:
            return max(position.next, await self._source.position(partition))
        except UnavailableError:
            return position.next

    async def _wait_polling(self, seconds: float) -> None:
        """Wait with every partition paused, but polling: Kafka removes a member that does not poll."""
        self._stats.waits += 1
        self._source.pause(self._assignment.placed)
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while (left := until - loop.time()) > 0:
            self._state.turn()
            with suppress(UnavailableError, UnreadableError):
                await self._source.poll()
            await asyncio.sleep(min(left, 0.01))
        self._source.resume(self._assignment.placed)
