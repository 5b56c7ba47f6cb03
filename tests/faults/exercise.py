"""The exercise: one fault under way, with the load and the watcher around it."""

from datetime import datetime
from pathlib import Path
from typing import Any, Final

from headcount.wiring import utc_now
from tests.faults.load import Load
from tests.faults.plant import Plant
from tests.faults.processes import Process
from tests.faults.watcher import Watcher
from tests.support.waiting import wait_until

STEADY_RECORDS: Final = 100


class Exercise:
    """A fault under way: the load, the watcher, and when it was over. `times` tells how often it was done."""

    def __init__(self, plant: Plant, load: Load) -> None:
        self.plant = plant
        self.load = load
        self.watcher = Watcher(plant, load)
        self.times = 1
        self.over_at: datetime | None = None
        self._log_sizes: dict[Path, int] = {}

    async def start(self) -> None:
        """Return once the load flows and the API answers: what is seen from then on is the fault's."""
        await wait_until(self._is_whole, deadline_seconds=30, message="every worker was in the group")
        await self.load.start()
        await self.watcher.start()
        await self.watcher.says("200")
        await self.flows(records=STEADY_RECORDS)
        self.watcher.answers.clear()
        self._log_sizes = {process.log_path: process.log_size() for process in self.plant.processes}

    async def _is_whole(self) -> bool:
        return await self.plant.members() == ("Stable", len(self.plant.workers))

    async def stop(self) -> None:
        """End load and watch."""
        await self.watcher.stop()
        await self.load.stop()

    async def flows(self, records: int) -> None:
        """Wait until so many more records were acknowledged."""
        wanted = self.load.acknowledged + records
        await wait_until(
            lambda: self.load.acknowledged >= wanted, message=f"Kafka acknowledged {records} more records"
        )

    async def logged(self, event: str, *, deadline_seconds: float = 20.0) -> dict[str, Any]:
        """Wait until a worker has logged a line of that name since the start, and return it."""
        found: list[dict[str, Any]] = []

        def look() -> bool:
            found[:] = [line for worker in self.plant.workers for line in self.lines(worker, event)]
            return bool(found)

        await wait_until(look, deadline_seconds=deadline_seconds, message=f"a worker logged {event!r}")
        return found[0]

    async def restart_while_waiting(self) -> None:
        """Once a worker waits, stop one and start it again: it must wait too, and not end."""
        await self.logged("waiting")
        worker = self.plant.workers[0]
        await worker.stop()
        size = worker.log_size()
        worker.start()
        await worker.logged("waiting", since=size)

    def lines(self, process: Process, event: str | None = None) -> list[dict[str, Any]]:
        """Read what a process has logged since the start, or only the lines of one name."""
        lines = process.lines(self._log_sizes.get(process.log_path, 0))
        return [line for line in lines if event in {None, line["event"]}]

    def over(self) -> None:
        """Note that from now on nothing is broken any more; without it, that is the end of the block."""
        self.over_at = utc_now()
