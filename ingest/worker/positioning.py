"""Where to read from: the checkpoint in Redis, compared with what the log still has."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import structlog

from ingest.batch import Offset, Partition
from ingest.errors import UnavailableError
from ingest.ports import Checkpoints, Extent, Gap, GapCause, LogState, Projection, Source
from ingest.worker.stats import Stats

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Place:
    """The offset to read a partition from, and its as-of instant: None while it is catching up."""

    offset: Offset
    as_of: datetime | None


class Positioner:
    """Finds the position of partitions: the checkpoint in Redis, never Kafka's committed offset."""

    def __init__(self, source: Source, projection: Projection, stats: Stats) -> None:
        self._source = source
        self._projection = projection
        self._stats = stats
        self.topic_id: str | None = None
        """The id of the topic that the positions given last belong to."""
        self.unavailable: Mapping[Partition, str] = {}
        """Partitions that had no position at the last try, since their offsets could not be read, and why."""
        self._partitions: frozenset[Partition] = frozenset()
        self._compared: set[Partition] = set()
        """Partitions whose checkpoint was compared with what the group had committed."""
        self._has_rollback = False
        """Whether a rollback was found that is not recorded yet."""
        self._doubted: Mapping[Partition, Offset] = {}
        self._logged: set[tuple[Partition, GapCause, Offset]] = set()
        """Gaps that were logged while the step that records them may be retried."""

    def knows(self, state: LogState) -> bool:
        """Return whether the positions so far are of this topic, and all its partitions are counted."""
        return state.topic_id == self.topic_id and state.extents.keys() <= self._partitions

    def is_complete(self, state: LogState) -> bool:
        """Return whether every partition has a checkpoint, also those that cannot be read at the moment."""
        return state.unavailable.keys() <= self._partitions

    def doubt(self, positions: Mapping[Partition, Offset]) -> None:
        """Treat these positions as outside of the log, even if it has grown past them since."""
        self._doubted = positions

    async def place(self, partitions: Iterable[Partition]) -> Mapping[Partition, Place]:
        """Return the place of each partition; one that is not known yet is left out, to ask again.

        Raises `UnavailableError`, also where partitions are to be counted for the first time, and Kafka
        cannot say where one of them begins.
        """
        committed = await self._committed(set(partitions) - self._compared)
        # After what was committed: a checkpoint is never behind it, unless Redis lost writes.
        checkpoints = await self._projection.checkpoints()
        # After the checkpoints: ends only grow, so that another worker's step never looks like a shorter log.
        state = await self._source.state()
        self.topic_id, self.unavailable = state.topic_id, state.unavailable
        self._partitions = frozenset(state.extents) | (state.unavailable.keys() & checkpoints.offsets.keys())
        if state.unavailable and checkpoints.topic_id != state.topic_id:
            # Readers take the partitions that have a checkpoint for all there are: as-of would pass the rest.
            raise UnavailableError(
                f"counting can't begin without every partition's offsets: {state.describe_unavailable()}"
            )
        if checkpoints.topic_id not in {None, state.topic_id}:
            await self._restart(state, checkpoints)
        elif checkpoints.topic_id is None or state.extents.keys() - checkpoints.offsets.keys():
            # All partitions, not only the assigned ones: from here on readers know their number.
            await self._projection.begin(state)
        else:
            self._compare(committed, checkpoints, state)
            if self._has_rollback:
                await self._projection.record_rollback()
                self._has_rollback = False
            placed = await self._place_known(partitions, checkpoints, state)
            self._compared.update(placed)
            self._doubted = {}
            self._logged.clear()
            if placed:
                log.info("positioned", at={str(each): place.offset for each, place in placed.items()})
            return placed
        return {}  # the checkpoints just written are read by the next call

    async def _place_known(
        self, partitions: Iterable[Partition], checkpoints: Checkpoints, state: LogState
    ) -> Mapping[Partition, Place]:
        offsets, extents = checkpoints.offsets, state.extents
        return {
            partition: await self._place_one(
                partition, Place(offsets[partition], checkpoints.as_of.get(partition)), extents[partition]
            )
            for partition in sorted(set(partitions) & offsets.keys() & extents.keys())
        }

    async def _committed(self, partitions: Collection[Partition]) -> Mapping[Partition, Offset]:
        if not partitions:
            return {}
        try:
            return await self._source.committed(partitions)
        except UnavailableError:  # nothing is read from there: only a warning is lost
            return {}

    def _compare(
        self, committed: Mapping[Partition, Offset], checkpoints: Checkpoints, state: LogState
    ) -> None:
        """Find writes that Redis lost while no worker ran: those of a running one show at its next step."""
        for partition, offset in committed.items():
            checkpoint = checkpoints.offsets.get(partition)
            if checkpoint is None or partition in self._compared or partition not in state.extents:
                continue
            self._compared.add(partition)
            if checkpoint < offset <= state.extents[partition].end:
                self._has_rollback = True
                self._stats.rollbacks += 1
                log.warning(
                    "Redis lost its newest state", partition=str(partition), checkpoint=checkpoint, was=offset
                )

    async def _restart(self, state: LogState, checkpoints: Checkpoints) -> None:
        nothing = Extent(Offset(0), Offset(0))
        gaps = [
            Gap(
                partition=partition,
                cause="recreated",
                checkpoint=checkpoint,
                extent=state.extents.get(partition, nothing),
            )
            for partition, checkpoint in checkpoints.offsets.items()
        ]
        if [gap for gap in gaps if self._is_news(gap)]:
            log.error("topic recreated", was=checkpoints.topic_id, now=state.topic_id)
        await self._projection.restart(state, gaps)
        self._compared.update(state.extents)  # what was committed is of the topic before
        self._doubted = {}

    async def _place_one(self, partition: Partition, known: Place, extent: Extent) -> Place:
        checkpoint = known.offset
        if extent.beginning <= checkpoint <= extent.end and self._doubted.get(partition) != checkpoint:
            return known
        await self._report_gap(partition, checkpoint, extent)
        return Place(extent.beginning, None)

    async def _report_gap(self, partition: Partition, checkpoint: Offset, extent: Extent) -> None:
        gap = Gap(
            partition=partition,
            cause="retention" if checkpoint < extent.beginning else "truncated",
            checkpoint=checkpoint,
            extent=extent,
        )
        if self._is_news(gap):
            _log_gap(gap)
        # Counts the log again from its beginning: counting a user twice has no effect.
        await self._projection.rewind(partition, expected=checkpoint, to=extent.beginning, gap=gap)

    def _is_news(self, gap: Gap) -> bool:
        """Count a gap, unless it was counted at an earlier try of the same step."""
        occurrence = gap.partition, gap.cause, gap.checkpoint
        if occurrence in self._logged:
            return False
        self._logged.add(occurrence)
        self._stats.gaps[gap.cause] += 1
        return True


def _log_gap(gap: Gap) -> None:
    log.error(
        "gap",
        partition=str(gap.partition),
        cause="retention removed records that were not counted yet; keep the log longer"
        if gap.cause == "retention"
        else "the log is shorter than what was counted; Kafka lost acknowledged records",
        checkpoint=gap.checkpoint,
        beginning=gap.extent.beginning,
        end=gap.extent.end,
    )
