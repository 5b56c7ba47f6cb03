"""The drill: a fault under load and watch, and what must be true of it afterwards."""

import itertools
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Final

from redis.asyncio import Redis

from headcount.ops.status import read_status
from headcount.wiring import utc_now
from tests.faults.exercise import Exercise
from tests.faults.load import Load
from tests.faults.logged import complaints
from tests.faults.oracle import Oracle, Verdict
from tests.faults.plant import Plant
from tests.faults.table import Row
from tests.support.waiting import wait_until

SMALL_WORKSPACES: Final = 6


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
        seed = self._seed + next(self._numbers)
        exercise = Exercise(self.plant, await self._prepare(seed, poison_share))
        try:
            await exercise.start()
            yield exercise
            over_at = exercise.over_at or utc_now()
            exact = await exercise.watcher.sees(over_at, deadline_seconds=deadline_seconds)
        finally:
            await exercise.stop()
        verdict = await self._judge()
        wrong = [*verdict.wrong, *exercise.watcher.wrong, *complaints(exercise, errors)]
        assert wrong == [], "\n".join(wrong[:20])
        assert (verdict.lost, verdict.twice) == (0, 0)
        seconds = (exact.instant - over_at).total_seconds()
        self._rows.append(_row(fault, done, seed, exercise=exercise, verdict=verdict, exact_again=seconds))

    async def _prepare(self, seed: int, poison_share: float) -> Load:
        name = f"w{seed}"
        small = [f"{name}-{number}" for number in range(SMALL_WORKSPACES)]
        load = Load(self.plant.config(), small=small, big=f"{name}-big", seed=seed, poison_share=poison_share)
        await self.plant.admit(load.workspaces)
        return load

    async def _judge(self) -> Verdict:
        plant = self.plant
        await wait_until(self._has_no_lag, deadline_seconds=30, message="the lag was 0")
        async with plant.redis() as redis, Redis.from_url(plant.yardstick.url) as yardstick:
            oracle = Oracle(plant.config(), redis, yardstick, gone=plant.gone, forgotten=plant.forgotten)
            return await oracle.judge()

    async def _has_no_lag(self) -> bool:
        return (await read_status(self.plant.config())).lag == 0


def _row(
    fault: str, done: str, seed: int, *, exercise: Exercise, verdict: Verdict, exact_again: float
) -> Row:
    return Row(
        fault=fault,
        done=done,
        times=exercise.times,
        said=exercise.watcher.said(),
        slowest_answer=exercise.watcher.slowest,
        exact_again=exact_again,
        events=exercise.load.acknowledged,
        lost=verdict.lost,
        twice=verdict.twice,
        seed=seed,
    )
