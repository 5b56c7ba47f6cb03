"""Skipping: moves a stopped partition past damaged records, and records the gap."""

from dataclasses import dataclass

from headcount.clients import worker_redis
from headcount.ops.log_check import read_counted
from headcount.preflight.connections import open_log
from headcount.wiring import Config, calendar, counted_users, deployment, utc_now
from ingest.batch import Offset, Partition
from ingest.errors import OperatorError
from ingest.kafka.log_reader import LogReader
from ingest.ports import Extent, Gap
from projector.checkpoints import read_progress
from projector.gaps import GapReport
from projector.projection import RedisProjection


@dataclass(frozen=True, slots=True, kw_only=True)
class Skip:
    """The offsets to skip, from `checkpoint` to before `to`; `end` is the end of the log."""

    topic_id: str | None
    partition: Partition
    checkpoint: Offset
    to: Offset
    end: Offset


async def plan_skip(config: Config, number: int, to: int | None) -> Skip:
    """Return the skip to `to`, or without it to the next offset that can be read.

    Raises `OperatorError` if the skip is not possible, and `UnavailableError`.
    """
    partition = Partition(config.kafka.topic, number)
    async with open_log(config, partition.topic) as log, worker_redis(config) as redis:
        progress = await read_counted(config, redis)
        checkpoint = progress.checkpoints.get(partition)
        if checkpoint is None or partition not in log.extents:
            raise OperatorError(f"{partition} is not counted: there is nothing to skip.")
        end = log.extents[partition].end
        goal = await first_readable(log, partition, Extent(checkpoint, end)) if to is None else Offset(to)
    planned = Skip(topic_id=progress.topic_id, partition=partition, checkpoint=checkpoint, to=goal, end=end)
    return checked(planned)


def checked(skip: Skip) -> Skip:
    """Return the skip; raises `OperatorError` if it goes back or past the end of the log."""
    if skip.to <= skip.checkpoint:
        raise OperatorError(
            f"{skip.partition} is counted up to {skip.checkpoint}: a skip can only go forward."
        )
    if skip.to > skip.end:
        raise OperatorError(f"The log of {skip.partition} ends at {skip.end}: a skip can't go past it.")
    return skip


async def first_readable(log: LogReader, partition: Partition, span: Extent) -> Offset:
    """Return the first offset after the damaged records at the beginning of the span; at most its end.

    Doubles the distance, then bisects: intact records between damaged ones may be skipped. Raises
    `OperatorError` if the record at the beginning is not damaged.
    """
    if span.beginning >= span.end or await log.can_read(partition, span.beginning):
        raise OperatorError(f"{partition} can be read at {span.beginning}: set the target offset with --to.")
    bad, good = span.beginning, Offset(span.beginning + 1)
    while good < span.end and not await log.can_read(partition, good):
        bad, good = good, Offset(2 * good - span.beginning)
    good = min(good, span.end)
    while good - bad > 1:
        middle = Offset((bad + good) // 2)
        if await log.can_read(partition, middle):
            good = middle
        else:
            bad = middle
    return good


async def skip(config: Config, planned: Skip) -> GapReport:
    """Move the checkpoint, and return the gap as recorded.

    Raises `OperatorError` if the checkpoint moved in the meantime, and `UnavailableError`.
    """
    async with worker_redis(config) as redis:
        projection = RedisProjection(
            redis, calendar(config), counted_users(config), deployment=deployment(config), clock=utc_now
        )
        if (await projection.checkpoints()).topic_id == planned.topic_id:
            expected, to = planned.checkpoint, planned.to
            await projection.rewind(planned.partition, expected=expected, to=to, gap=_gap(planned))
        gaps = (await read_progress(redis)).gaps
    for report in reversed(gaps):
        if _is_of(report, planned):
            return report
    raise OperatorError(f"The checkpoint of {planned.partition} moved in the meantime: nothing was skipped.")


def _gap(planned: Skip) -> Gap:
    """Return the gap in the form of one that retention makes: from the checkpoint to the next offset."""
    extent = Extent(planned.to, planned.end)
    return Gap(partition=planned.partition, cause="skipped", checkpoint=planned.checkpoint, extent=extent)


def _is_of(report: GapReport, planned: Skip) -> bool:
    found = (report.cause, report.partition, report.checkpoint, report.beginning)
    return found == ("skipped", planned.partition.number, planned.checkpoint, planned.to)
