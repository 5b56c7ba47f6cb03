"""The worker loop: reads the log, sorts out dead letters, and has the projection count the rest.

Each partition it owns has a lane. The loop's order is the guarantee: dead letters are acknowledged before the
checkpoint passes them, the checkpoint steps together with the counters, and Kafka is told last.
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
from ingest.worker.partition_backoff import PartitionBackoff
from ingest.worker.positioning import Positioner
from ingest.worker.retry import Retry
from ingest.worker.stats import Stats
from ingest.worker.watermark_monitor import WatermarkMonitor

BEAT_SECONDS: Final = 1.0
DECODED_AT_ONCE: Final = 1_000
"""As many records as take about a millisecond."""
LEAVE_SECONDS: Final = 3.0
"""How long a step under way may take once the stop is asked for."""

log = structlog.get_logger(__name__)


class Worker:
    """One member of the consumer group. `clock` gives the time of day, aware."""

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
        self._backoff = PartitionBackoff()
        self._batch_writer = BatchWriter(
            source, projection, assignment=self._assignment, backoff=self._backoff, stats=stats, clock=clock
        )
        self._next_beat = 0.0

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until the stop is asked for; then finish the batch in hand and tell Kafka."""
        self._retry = Retry(stopping, self._idle, self._state)
        try:
            await self._run_tasks(stopping)
        except* HeadcountError as errors:
            raise errors.exceptions[0] from None
        await self._watermark_monitor.commit()
        log.info("stopped", records=self._stats.records, batches=self._stats.batches)

    async def _run_tasks(self, stopping: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as tasks:
            watch = tasks.create_task(self._watermark_monitor.run())
            loop = tasks.create_task(self._loop(stopping))
            stop = tasks.create_task(stopping.wait())
            await asyncio.wait([loop, stop], return_when=asyncio.FIRST_COMPLETED)
            # A poll can last for as long as a rebalance does. What it is cut off from is not checkpointed.
            await asyncio.wait([loop], timeout=LEAVE_SECONDS)
            for task in (loop, stop, watch):
                task.cancel()

    async def _loop(self, stopping: asyncio.Event) -> None:
        try:
            while not stopping.is_set():
                await self._step()
            await self._batch_writer.drain(self._retry)
        except UnavailableError as error:
            if not stopping.is_set():
                raise
            log.warning("stopped while waiting", cause=str(error))
        finally:
            await self._batch_writer.cancel_in_flight()

    async def _step(self) -> None:
        self._state.turn()
        self._take_assignment()
        if self._watermark_monitor.has_log_changed:
            self._watermark_monitor.has_log_changed = False
            self._assignment.reset_all()
        if self._assignment.seeking:
            await self._seek_places()
        try:
            polled = await self._source.poll()
        except OutOfRangeError as error:
            log.warning("the log can't be read", cause=str(error))
            self._positioner.doubt(error.positions)
            self._assignment.reset_all()
        except UnavailableError as error:
            log.warning("the log can't be read", cause=str(error))
            self._assignment.reset_all()
            await asyncio.sleep(BEAT_SECONDS)
        except UnreadableError as error:
            log.warning("records can't be read", cause=str(error))
            self._assignment.reset_all()
            await self._probe()
        else:
            for partition, records in polled.items():
                await self._take(partition, records)
            if not polled:
                await self._batch_writer.drain(self._retry)
        if asyncio.get_running_loop().time() >= self._next_beat:
            await self._beat()

    def _take_assignment(self) -> None:
        assigned = self._source.take_assignment()
        if assigned is None:
            return
        self._assignment.assign(assigned)
        self._backoff.clear()
        log.info("assigned", partitions=sorted(map(str, assigned)))

    async def _seek_places(self) -> None:
        # First: what is under way may still move a checkpoint that is about to be read.
        await self._batch_writer.drain(self._retry)
        await self._retry.retry_until_stopped(self._position)

    async def _position(self) -> None:
        self._take_assignment()  # it may have changed while we waited
        placed = await self._positioner.place(self._assignment.seeking)
        if not self._assignment.are_of(self._positioner.topic_id):
            self._assignment.reset_all()
        for partition, place in placed.items():
            self._assignment.place(partition, place, self._positioner.topic_id)
            self._source.seek(partition, place.offset)
            self._source.resume([partition])

    async def _probe(self) -> None:
        """Read one partition at a time, and stop the one whose records are damaged."""
        await self._seek_places()
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
                    await self._take(found, records)

    async def _take(self, partition: Partition, records: Sequence[Record]) -> None:
        if partition not in self._assignment.placed:
            return
        result = await self._sort(partition, records)
        if result.letters:
            # Before the checkpoint: once it has passed a record, nobody reads that record again.
            try:
                await self._retry.retry_until_stopped(self._dead_letters.publish, result.letters)
            except PartitionStoppedError as error:
                self._batch_writer.stop(error)
                return
            self._stats.dead_letters.update(letter.reason for letter in result.letters)
        end = Offset(records[-1].offset + 1)
        if await self._batch_writer.submit(
            partition, end, result.events, self._retry, stamp=records[0].timestamp
        ):
            self._stats.records += len(records)

    async def _sort(self, partition: Partition, records: Sequence[Record]) -> DecodedRecords:
        """Sort the records, and let the loop turn in between: the batch under way goes out by its turns."""
        now = self._clock()
        events: list[Event] = []
        letters: list[DeadLetter] = []
        for start in range(0, len(records), DECODED_AT_ONCE):
            some = self._decoder.sort(partition, records[start : start + DECODED_AT_ONCE], now)
            events += some.events
            letters += some.letters
            await asyncio.sleep(0)
        return DecodedRecords(events, letters)

    async def _beat(self) -> None:
        """Step every lane by nothing: finds a rollback without traffic, and keeps as-of fresh."""
        now = asyncio.get_running_loop().time()
        self._next_beat = now + BEAT_SECONDS
        await self._batch_writer.drain(self._retry)
        for partition, position in list(self._assignment.placed.items()):
            if partition in self._assignment.placed:  # one step may have lost every place
                end = await self._end_of(partition, position)
                await self._batch_writer.submit(partition, end, (), self._retry)
                await self._batch_writer.drain(self._retry)
        self._assignment.seeking.update(self._backoff.due(now))

    async def _end_of(self, partition: Partition, position: PartitionPosition) -> Offset:
        """Where the lane stands, past any control records that follow its last batch."""
        try:
            return max(position.next, await self._source.position(partition))
        except UnavailableError:
            return position.next

    async def _idle(self, seconds: float) -> None:
        """Wait with every partition paused, but polling: who does not poll is put out of the group."""
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
