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
    """Samples where the log ends, for the lanes there are, and tells Kafka's lag tools where those stand."""

    def __init__(
        self,
        source: Source,
        projection: Projection,
        *,
        assignment: Assignment,
        positioner: Positioner,
        state: WorkerState,
    ) -> None:
        self.has_log_changed = False
        """Whether the places are of another topic or not of all its partitions, or others are forgotten. Who
        acts on it clears it."""
        self._source = source
        self._projection = projection
        self._assignment = assignment
        self._positioner = positioner
        self._state = state
        self._unavailable: frozenset[Partition] = frozenset()

    async def run(self) -> None:
        """Watch until cancelled."""
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

    async def commit(self) -> None:
        """Tell Kafka how far the projection is."""
        with suppress(UnavailableError):  # only lag tools miss it
            await self._source.commit(self._assignment.offsets())

    async def _sample(self) -> None:
        # Before the question: what is published after it may be missing. And not by this machine's clock: one
        # that is fast would have as-of promise what nobody has published yet.
        instant = await self._projection.now()
        state = await self._source.state()
        self._state.reach(state)
        self._log_changes(state)
        if not self._positioner.knows(state):
            # Also for an added partition that nobody was assigned yet: its events are not counted, so as-of
            # may not pass them. Left to the loop: a step under way stands on the places it has.
            self.has_log_changed = True
            return
        if not self._positioner.is_complete(state):
            return  # a partition was added that could not be read yet: as-of may not pass its events
        for partition, position in self._assignment.placed.items():
            if partition in state.extents:
                position.watermarks.add(state.extents[partition].end, instant)
        # Not Redis' word alone: one that was put back to before a person was forgotten does not know it.
        if not await self._projection.is_current():
            self.has_log_changed = True

    def _log_changes(self, state: LogState) -> None:
        for partition in sorted(state.unavailable.keys() - self._unavailable):
            log.warning("partition unavailable", partition=str(partition), cause=state.unavailable[partition])
        for partition in sorted(self._unavailable & state.extents.keys()):
            log.info("partition available again", partition=str(partition))
        self._unavailable = frozenset(state.unavailable)
