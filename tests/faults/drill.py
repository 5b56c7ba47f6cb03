"""The drill: a fault under load and watch, and what must be true of it afterwards."""

import itertools
from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from redis.asyncio import Redis

from headcount.composition import utc_now
from headcount.status import read_status
from tests.faults.load import Load
from tests.faults.oracle import Oracle, Verdict
from tests.faults.plant import Plant
from tests.faults.processes import Process
from tests.faults.table import Row
from tests.faults.watcher import Watcher
from tests.waiting import wait_until

SMALL_WORKSPACES: Final = 6
STEADY_RECORDS: Final = 100
MOST_LIKE_LINES: Final = 12
"""More lines of one name than this, from one process each time the fault is done, are a flood."""
_ERRORS: Final = frozenset({"error", "critical", "unstructured"})


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


class Drill:
    """Runs faults on a plant. `rows` holds what was seen of those that went well."""

    def __init__(self, plant: Plant, rows: list[Row], *, seed: int) -> None:
        self.plant = plant
        self._rows = rows
        self._seed = seed
        self._numbers = itertools.count(len(rows))

    @asynccontextmanager
    async def __call__(
        self,
        fault: str,
        done: str,
        *,
        errors: Collection[str] = (),
        poison_share: float = 0.01,
        deadline_seconds: float = 60.0,
    ) -> AsyncIterator[Exercise]:
        """Bring load and watch to a steady state, run the block, and hold what follows to every promise.

        `errors` are the events that processes may log as errors, and the libraries that may log any.
        """
        plant = self.plant
        seed = self._seed + next(self._numbers)
        exercise = Exercise(plant, await self._prepare(seed, poison_share))
        try:
            await exercise.start()
            yield exercise
            over_at = exercise.over_at or utc_now()
            exact = await exercise.watcher.sees(over_at, deadline_seconds=deadline_seconds)
        finally:
            await exercise.stop()
        verdict = await self._judge()
        complaints = [*verdict.wrong, *exercise.watcher.wrong, *_read_logs(exercise, errors)]
        assert complaints == [], "\n".join(complaints[:20])
        assert (verdict.lost, verdict.twice) == (0, 0)
        self._rows.append(
            Row(
                fault=fault,
                done=done,
                times=exercise.times,
                said=exercise.watcher.said(),
                slowest_answer=exercise.watcher.slowest,
                exact_again=(exact.instant - over_at).total_seconds(),
                lost=verdict.lost,
                twice=verdict.twice,
                events=exercise.load.acknowledged,
                seed=seed,
            )
        )

    async def _prepare(self, seed: int, poison_share: float) -> Load:
        name = f"w{seed}"
        small = [f"{name}-{number}" for number in range(SMALL_WORKSPACES)]
        load = Load(
            self.plant.settings(), small=small, big=f"{name}-big", seed=seed, poison_share=poison_share
        )
        await self.plant.admit(load.workspaces)
        return load

    async def _judge(self) -> Verdict:
        plant = self.plant
        await wait_until(self._has_no_lag, deadline_seconds=30, message="the lag was 0")
        async with plant.redis() as redis, Redis.from_url(plant.yardstick.url) as yardstick:
            return await Oracle(plant.settings(), redis, yardstick, gone=plant.gone).judge()

    async def _has_no_lag(self) -> bool:
        return (await read_status(self.plant.settings())).lag == 0


def _read_logs(exercise: Exercise, errors: Collection[str]) -> list[str]:
    complaints = []
    for process in exercise.plant.processes:
        lines = exercise.lines(process)
        if not process.is_running:
            complaints.append(f"{process.name} has ended: {lines[-3:]}")
        bad = [line for line in lines if line.get("level") in _ERRORS and not _is_foreseen(line, errors)]
        complaints += [f"{process.name} logged {line}" for line in bad]
        names = Counter(str(line["event"]) for line in lines)
        complaints += [
            f"{process.name} logged {name!r} {times} times"
            for name, times in names.items()
            if times > MOST_LIKE_LINES * exercise.times
        ]
    return complaints


def _is_foreseen(line: Mapping[str, Any], errors: Collection[str]) -> bool:
    library = str(line.get("logger", "")).partition(".")[0]
    return line["event"] in errors or library in errors
