"""Counting anew: reads what the live counters count, and has the next generation count it too.

In rounds, each up to where the workers are by then: never further, for what they have not passed may hold
dead letters that nobody has published yet, or damage that an operator will skip.
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

NEARLY_LEVEL: Final = 5_000
"""So many offsets behind the workers, the rest is read while they wait."""
ROUNDS: Final = 50


@dataclass(frozen=True, slots=True)
class Stretch:
    """A step of the next generation's checkpoint, and what is to be read of it."""

    start: Offset
    end: Offset
    spans: Sequence[Extent]

    @property
    def size(self) -> int:
        """The number of offsets to read."""
        return sum(span.end - span.beginning for span in self.spans)


def stretch(missing: Extent, beginning: Offset, left_out: Sequence[Extent]) -> Stretch:
    """Return the step over what is missing, of a log that holds nothing before `beginning`."""
    held = Extent(max(missing.beginning, beginning), missing.end)
    return Stretch(missing.beginning, missing.end, counted_spans(held, missing.end, left_out))


class Counting:
    """One count. `done` of `total` offsets are read so far; `records` were found there."""

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
        """Find out how much there is to read; raises as `come_near` does."""
        progress = await read_progress(self._redis)
        async with self.log() as log:
            await self._check(log, progress)
            self.total = sum(each.size for each in (await self._stretches(log, progress)).values())

    async def come_near(self) -> None:
        """Count until hardly anything is left.

        Raises `UnavailableError`, and `UnreadableError` where records are damaged.
        """
        for _ in range(ROUNDS):
            progress = await read_progress(self._redis)
            async with self.log() as log:
                await self._check(log, progress)
                if await self._read(log, progress) <= NEARLY_LEVEL:
                    return
        raise UnavailableError(
            "The workers are faster than the rebuild, and nothing was replaced. Start again when there is "
            "less to do: it goes on where it was."
        )

    async def come_level(self, log: LogReader) -> None:
        """Count what the workers have counted by now; raises as `come_near` does."""
        await self._read(log, await read_progress(self._redis))

    async def _check(self, log: LogReader, progress: Progress) -> None:
        await check_topic_id(self._config, self._next_generation.topic_id)
        check_log_holds(log, progress)

    async def _read(self, log: LogReader, progress: Progress) -> int:
        """Return how many offsets were read."""
        before = self.done
        for partition, stretch in (await self._stretches(log, progress)).items():
            async for batch in self._batches(log, partition, stretch):
                await self._next_generation.apply(batch)
        return self.done - before

    async def _stretches(self, log: LogReader, progress: Progress) -> Mapping[Partition, Stretch]:
        """Find out what the next generation lacks of the live one, partition by partition."""
        # After the progress: a gap that is acknowledged meanwhile is in both then, and not in neither.
        gaps = [*await read_acknowledged(self._redis), *progress.gaps]
        beginnings = {
            partition: log.extents[partition].beginning
            for partition in progress.checkpoints
            if partition in log.extents  # one that came just now is found by the next round
        }
        await self._next_generation.start_partitions(beginnings)
        reached = await self._next_generation.checkpoints()
        return {
            partition: stretch(
                Extent(reached[partition], progress.checkpoints[partition]),
                beginning,
                skipped(partition, gaps),
            )
            for partition, beginning in beginnings.items()
        }

    async def _batches(self, log: LogReader, partition: Partition, stretch: Stretch) -> AsyncIterator[Batch]:
        start = stretch.start
        for span in stretch.spans:
            position = span.beginning
            async for portion in log.read(partition, span):
                events = self._decoder.sort(partition, portion.records, utc_now()).events
                yield Batch(partition=partition, start=start, end=portion.end, events=events)
                self.records += len(portion.records)
                self.done += portion.end - position
                start = position = portion.end
        if start < stretch.end:  # what comes last was skipped
            yield Batch(partition=partition, start=start, end=stretch.end)
