"""Samples the log's ends, in a task of its own: a slow Kafka delays nothing but as-of."""

import asyncio
from contextlib import suppress
from typing import Final

import structlog

from ingest.batch import Partition
from ingest.errors import UnavailableError
from ingest.ports import LogState, Projection, Source
from ingest.worker.assignment import Assignment
from ingest.worker.positioning import Positioner
from ingest.worker.state import WorkerState

WATCH_SECONDS: Final = 1.0

log = structlog.get_logger(__name__)


class WatermarkMonitor:
    """Adds watermarks to the assigned partitions, and commits their offsets to Kafka for lag tools."""

    def __init__(
        self,
        source: Source,
        projection: Projection,
        *,
        assignment: Assignment,
        positioner: Positioner,
        state: WorkerState,
    ) -> None:
        self._must_reposition = False
        self._source = source
        self._projection = projection
        self._assignment = assignment
        self._positioner = positioner
        self._state = state
        self._unavailable: frozenset[Partition] = frozenset()

    async def run(self) -> None:
        """Sample until cancelled."""
        self._state.watch(away=None)
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            try:
                await self._sample()
            except UnavailableError as error:  # the loop meets the same, and logs it
                self._state.watch(away=str(error))
            else:
                self._state.watch(away=None)
            await self.commit()

    def take_reposition(self) -> bool:
        """Return whether, since the last call, a sample has shown that all positions must be read again.

        That is so if they are not of this topic and all its partitions, or if the erasure log has grown.
        """
        must_reposition, self._must_reposition = self._must_reposition, False
        return must_reposition

    async def commit(self) -> None:
        """Commit the projection's offsets to Kafka."""
        with suppress(UnavailableError):  # only lag tools use it
            await self._source.commit(self._assignment.offsets())

    async def _sample(self) -> None:
        # Before the request, since it may miss later events. Not by this machine's clock: a
        # fast one would have as-of include events that are not published yet.
        instant = await self._projection.now()
        state = await self._source.state()
        self._state.reach(state)
        self._log_changes(state)
        if not self._positioner.knows(state):
            # Also for an added partition that is not assigned yet: its events are not counted, so as-of
            # may not pass them. Left to the loop, since a step in progress relies on its positions.
            self._must_reposition = True
            return
        if not self._positioner.is_complete(state):
            return  # a partition was added that could not be read yet: as-of may not pass its events
        for partition, position in self._assignment.placed.items():
            if partition in state.extents:
                position.watermarks.add(state.extents[partition].end, instant)
        # Not from Redis alone, which after a restore may lack users who were forgotten since.
        if not await self._projection.is_current():
            self._must_reposition = True

    def _log_changes(self, state: LogState) -> None:
        for partition in sorted(state.unavailable.keys() - self._unavailable):
            log.warning("partition unavailable", partition=str(partition), cause=state.unavailable[partition])
        for partition in sorted(self._unavailable & state.extents.keys()):
            log.info("partition available again", partition=str(partition))
        self._unavailable = frozenset(state.unavailable)
