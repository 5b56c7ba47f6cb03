"""The part of the log that the counters cover: up to the checkpoints, without skipped offsets."""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter

from headcount.ops.log_check import read_counted
from headcount.wiring import Config
from ingest.batch import Batch, Offset, Partition
from ingest.events.decoding import RecordDecoder
from ingest.kafka.log_reader import LogReader
from ingest.ports import Extent
from projector.checkpoints import Progress
from projector.gaps import GapReport, read_acknowledged
from projector.redis import Redis


@dataclass(frozen=True, slots=True)
class Scope:
    """The spans to read of each partition, in order, and the progress and gaps that they follow from.

    `gaps` are all on record, acknowledged or not.
    """

    spans: Mapping[Partition, Sequence[Extent]]
    progress: Progress
    gaps: Sequence[GapReport]

    @property
    def size(self) -> int:
        """The number of offsets to read."""
        return sum(span.end - span.beginning for spans in self.spans.values() for span in spans)

    def beginnings(self) -> dict[Partition, Offset]:
        """Return the first offset to read of each partition."""
        return {partition: spans[0].beginning for partition, spans in self.spans.items()}


async def read_scope(config: Config, redis: Redis, log: LogReader) -> Scope:
    """Return what the counters cover now; raises as `read_counted` does."""
    return await scope_of(await read_counted(config, redis), redis, log)


async def scope_of(progress: Progress, redis: Redis, log: LogReader) -> Scope:
    """Return what of the log the progress covers; raises `UnavailableError`."""
    # After the progress: a gap acknowledged in between is in both lists, not in neither.
    gaps = [*await read_acknowledged(redis), *progress.gaps]
    return Scope(
        {
            partition: spans
            for partition, checkpoint in progress.checkpoints.items()
            if partition in log.extents
            and (spans := counted_spans(log.extents[partition], checkpoint, skipped(partition, gaps)))
        },
        progress,
        gaps,
    )


def skipped(partition: Partition, gaps: Iterable[GapReport]) -> list[Extent]:
    """Return the offsets of a partition that were skipped, in the order in which they were skipped."""
    left_out: list[Extent] = []
    for gap in sorted(gaps, key=attrgetter("found_at")):
        if gap.partition != partition.number:
            continue
        if gap.cause == "skipped":
            left_out.append(Extent(Offset(gap.checkpoint), Offset(gap.beginning)))
        else:
            # Any other gap reset the checkpoint: all readable records were counted again from there.
            left_out = []
    return left_out


def counted_spans(extent: Extent, checkpoint: Offset, left_out: Sequence[Extent]) -> list[Extent]:
    """Return the offsets that the log holds below the checkpoint, except those left out."""
    spans, position = [], extent.beginning
    end = min(checkpoint, extent.end)
    for hole in sorted(left_out, key=attrgetter("beginning")):
        spans.append(Extent(position, min(hole.beginning, end)))
        position = max(position, hole.end)
    spans.append(Extent(position, end))
    return [span for span in spans if span.beginning < span.end]


class CountedEvents:
    """One reading of a scope, decoded as a worker decodes it.

    `done` of `total` offsets are read so far, and held `records`. `clock` returns an aware instant.
    """

    def __init__(
        self, scope: Scope, *, log: LogReader, decoder: RecordDecoder, clock: Callable[[], datetime]
    ) -> None:
        self.total = scope.size
        self.done = 0
        self.records = 0
        self._scope = scope
        self._log = log
        self._decoder = decoder
        self._clock = clock

    async def batches(self) -> AsyncIterator[Batch]:
        """Read the scope partition by partition; each batch starts where the previous one ended.

        Raises `UnavailableError`, and `UnreadableError` if records are damaged.
        """
        for partition, spans in self._scope.spans.items():
            start = spans[0].beginning
            for span in spans:
                position = span.beginning
                async for portion in self._log.read(partition, span):
                    events = self._decoder.decode(partition, portion.records, self._clock()).events
                    yield Batch(partition=partition, start=start, end=portion.end, events=events)
                    self.records += len(portion.records)
                    self.done += portion.end - position
                    start = position = portion.end
