"""Counts the log into the next generation, up to the checkpoints of the live counters.

It proceeds in rounds, each up to the workers' current checkpoints and never beyond: later records may include
dead letters that are not published yet, or damaged records that an operator will skip.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final

from headcount.ops.log_check import check_log_holds, check_topic_id
from headcount.ops.log_scope import counted_spans, skipped
from headcount.preflight.connections import open_log
from headcount.wiring import Config, utc_now
from ingest.batch import Batch, Offset, Partition
from ingest.errors import UnavailableError
from ingest.events.decoding import RecordDecoder
from ingest.kafka.log_reader import LogReader
from ingest.ports import Extent
from projector.checkpoints import Progress, read_progress
from projector.gaps import read_acknowledged
from projector.rebuild.next_generation import NextGeneration
from projector.redis import Redis

CLOSE_OFFSETS: Final = 5_000
"""At most so many offsets behind the workers, the rest is read while writes are paused."""
ROUNDS: Final = 50


@dataclass(frozen=True, slots=True)
class Step:
    """An advance of the next generation's checkpoint, and the spans to read for it."""

    start: Offset
    end: Offset
    spans: Sequence[Extent]

    @property
    def size(self) -> int:
        """The number of offsets to read."""
        return sum(span.end - span.beginning for span in self.spans)


def step_over(missing: Extent, beginning: Offset, left_out: Sequence[Extent]) -> Step:
    """Return the step over the missing offsets of a log that begins at `beginning`."""
    held = Extent(max(missing.beginning, beginning), missing.end)
    return Step(missing.beginning, missing.end, counted_spans(held, missing.end, left_out))


class Counting:
    """One count of the log; `done` of `total` offsets are read so far, and held `records`."""

    def __init__(self, config: Config, redis: Redis, next_generation: NextGeneration) -> None:
        self.done = self.total = self.records = 0
        self._config = config
        self._redis = redis
        self._next_generation = next_generation
        self._decoder = RecordDecoder(max_event_bytes=config.counting.max_event_bytes)

    def log(self) -> AbstractAsyncContextManager[LogReader]:
        """Open the log."""
        return open_log(self._config, self._config.kafka.topic)

    async def survey(self) -> None:
        """Set `total` to the number of offsets to read; raises as `approach` does."""
        progress = await read_progress(self._redis)
        async with self.log() as log:
            await self._check(log, progress)
            self.total = sum(each.size for each in (await self._steps(log, progress)).values())

    async def approach(self) -> None:
        """Count until at most `CLOSE_OFFSETS` offsets are left.

        Raises `UnavailableError`, and `UnreadableError` if records are damaged.
        """
        for _ in range(ROUNDS):
            progress = await read_progress(self._redis)
            async with self.log() as log:
                await self._check(log, progress)
                if await self._read(log, progress) <= CLOSE_OFFSETS:
                    return
        raise UnavailableError(
            "The workers are faster than the rebuild, and nothing was replaced. Start again when there is "
            "less traffic: the rebuild continues where it stopped."
        )

    async def catch_up(self, log: LogReader) -> None:
        """Count up to the workers' current checkpoints; raises as `approach` does."""
        await self._read(log, await read_progress(self._redis))

    async def _check(self, log: LogReader, progress: Progress) -> None:
        await check_topic_id(self._config, self._next_generation.topic_id)
        check_log_holds(log, progress)

    async def _read(self, log: LogReader, progress: Progress) -> int:
        """Count up to the progress; return the number of offsets that were read."""
        before = self.done
        for partition, step in (await self._steps(log, progress)).items():
            async for batch in self._batches(log, partition, step):
                await self._next_generation.apply(batch)
        return self.done - before

    async def _steps(self, log: LogReader, progress: Progress) -> Mapping[Partition, Step]:
        """Return the step of each partition from the next generation's checkpoint to the live one."""
        # After the progress: a gap acknowledged in between is in both lists, not in neither.
        gaps = [*await read_acknowledged(self._redis), *progress.gaps]
        beginnings = {
            partition: log.extents[partition].beginning
            for partition in progress.checkpoints
            if partition in log.extents  # a new partition is found in the next round
        }
        await self._next_generation.start_partitions(beginnings)
        reached = await self._next_generation.checkpoints()
        return {
            partition: step_over(
                Extent(reached[partition], progress.checkpoints[partition]),
                beginning,
                skipped(partition, gaps),
            )
            for partition, beginning in beginnings.items()
        }

    async def _batches(self, log: LogReader, partition: Partition, step: Step) -> AsyncIterator[Batch]:
        start = step.start
        for span in step.spans:
            position = span.beginning
            async for portion in log.read(partition, span):
                events = self._decoder.decode(partition, portion.records, utc_now()).events
                yield Batch(partition=partition, start=start, end=portion.end, events=events)
                self.records += len(portion.records)
                self.done += portion.end - position
                start = position = portion.end
        if start < step.end:  # the last offsets were skipped
            yield Batch(partition=partition, start=start, end=step.end)
