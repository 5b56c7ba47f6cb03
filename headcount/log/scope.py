"""What was counted of the log: all from its beginning up to the checkpoints, without what was skipped."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter

from redis.asyncio import Redis

from headcount.ops.log_scope.counted import read_counted
from headcount.wiring import Config
from ingest.batch import Offset, Partition
from ingest.errors import UnavailableError
from ingest.kafka.log_reader import LogReader
from ingest.ports import Extent
from projector.checkpoints import Progress, read_progress
from projector.counted_users import REVISION
from projector.gaps import GapReport, read_acknowledged


@dataclass(frozen=True, slots=True)
class Scope:
    """The spans to read of each partition, one after the other, and what they follow from.

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
        """Return where the reading of each partition begins."""
        return {partition: spans[0].beginning for partition, spans in self.spans.items()}


async def read_scope(config: Config, redis: Redis, log: LogReader) -> Scope:
    """Find out what is counted now; raises as `read_counted` does."""
    return await scope_of(await read_counted(config, redis), redis, log)


async def scope_of(progress: Progress, redis: Redis, log: LogReader) -> Scope:
    """Find out what of the log makes up a progress; raises `UnavailableError`."""
    # After the progress: a gap that is acknowledged meanwhile is in both then, and not in neither.
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
    """Return what of a partition was left out, in the order in which it was."""
    left_out: list[Extent] = []
    for gap in sorted(gaps, key=attrgetter("found_at")):
        if gap.partition == partition.number:
            # Any other gap put the checkpoint back: from there on, all that could be read was counted again.
            kept = left_out if gap.cause == "skipped" else []
            left_out = [*kept, *_left_out_by(gap)]
    return left_out


def counted_spans(extent: Extent, checkpoint: Offset, left_out: Sequence[Extent]) -> list[Extent]:
    """Return what the log holds below the checkpoint, without what was left out."""
    spans, position = [], extent.beginning
    end = min(checkpoint, extent.end)
    for hole in sorted(left_out, key=attrgetter("beginning")):
        spans.append(Extent(position, min(hole.beginning, end)))
        position = max(position, hole.end)
    spans.append(Extent(position, end))
    return [span for span in spans if span.beginning < span.end]


async def check_unmoved(scope: Scope, redis: Redis) -> None:
    """Raise `UnavailableError` where Redis lost state meanwhile: what was found is worth nothing."""
    progress = await read_progress(redis)
    if progress.generation != scope.progress.generation:
        raise UnavailableError("The log was counted anew meanwhile: other counters are live. Start again.")
    for partition, checkpoint in scope.progress.checkpoints.items():
        if progress.checkpoints.get(partition, -1) < checkpoint:
            raise UnavailableError(
                f"The checkpoint of {partition} went back meanwhile: start again once it is caught up."
            )


async def check_same_people(scope: Scope, redis: Redis) -> None:
    """Raise `UnavailableError` where the list of forgotten people was changed meanwhile."""
    before = scope.progress.deployment.get(REVISION, "0")
    if (await read_progress(redis)).deployment.get(REVISION, "0") != before:
        raise UnavailableError("A person was forgotten or remembered meanwhile: start again.")


def _left_out_by(gap: GapReport) -> list[Extent]:
    if gap.cause != "skipped":
        return []
    return [Extent(Offset(gap.checkpoint), Offset(gap.beginning))]
