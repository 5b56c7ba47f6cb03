"""The drill: a fault under load and watch, and what must be true of it afterwards."""

import itertools
from collections import Counter
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

from redis.asyncio import Redis

from headcount.composition import utc_now
from headcount.status import read_status
from tests.faults.load import Load
from tests.faults.oracle import Oracle, Verdict
from tests.faults.plant import Plant
from tests.faults.table import Row
from tests.faults.watcher import Watcher
from tests.waiting import wait_until

SMALL_WORKSPACES: Final = 6
MOST_LIKE_LINES: Final = 12
"""More lines of one name than this, from one process during one fault, are a flood."""
_ERRORS: Final = frozenset({"error", "critical", "unstructured"})


class Exercise:
    """A fault under way: the load, the watcher, and when it was over."""

    def __init__(self, plant: Plant, load: Load) -> None:
        self.plant = plant
        self.load = load
        self.watcher = Watcher(plant, load)
        self.times = 1
        self.over_at: datetime | None = None

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

        `errors` are the events that processes may log as errors.
        """
        plant = self.plant
        seed = self._seed + next(self._numbers)
        exercise = Exercise(plant, await self._prepare(seed, poison_share))
        try:
            await exercise.load.start()
            await exercise.watcher.start()
            await exercise.watcher.sees(utc_now())
            exercise.watcher.answers.clear()  # of the steady state
            log_sizes = {process.log_path: process.log_size() for process in plant.processes}
            yield exercise
            over_at = exercise.over_at or utc_now()
            exact = await exercise.watcher.sees(over_at, deadline_seconds=deadline_seconds)
            await exercise.load.stop()
            await exercise.watcher.sees(utc_now(), deadline_seconds=deadline_seconds)
        finally:
            await exercise.watcher.stop()
            await exercise.load.stop()
        verdict = await self._judge()
        complaints = [*verdict.wrong, *exercise.watcher.wrong, *_read_logs(plant, log_sizes, errors)]
        assert complaints == [], "\n".join(complaints[:20])
        assert (verdict.lost, verdict.twice) == (0, 0)
        self._rows.append(
            Row(
                fault=fault,
                done=done,
                times=exercise.times,
                said=exercise.watcher.said(),
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
            return await Oracle(plant.settings(), redis, yardstick).judge()

    async def _has_no_lag(self) -> bool:
        return (await read_status(self.plant.settings())).lag == 0


def _read_logs(plant: Plant, sizes: dict[Path, int], errors: Collection[str]) -> list[str]:
    complaints = []
    for process in plant.processes:
        lines = process.lines(sizes.get(process.log_path, 0))
        if not process.is_running:
            complaints.append(f"{process.name} has ended: {lines[-3:]}")
        bad = [line for line in lines if line.get("level") in _ERRORS and line["event"] not in errors]
        complaints += [f"{process.name} logged {line}" for line in bad]
        names = Counter(str(line["event"]) for line in lines)
        complaints += [
            f"{process.name} logged {name!r} {times} times"
            for name, times in names.items()
            if times > MOST_LIKE_LINES
        ]
    return complaints
