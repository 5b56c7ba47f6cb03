"""The whole measurement: the points in turns, readings at those where workspaces grow, and the rebuilds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from rich.progress import Progress, TaskID

from benchmarks.machine import Machine, describe
from benchmarks.scale.costs import Cost
from benchmarks.scale.points import Point
from benchmarks.scale.reading import Reading, read_weeks
from benchmarks.scale.rebuilding import Rebuilt, rebuild_growing
from benchmarks.scale.topic import fill, settings_of
from benchmarks.scale.turn import Turn, take_turn
from benchmarks.stage import private_servers, with_topic
from headcount.clients import worker_redis
from headcount.wiring import Config

REBUILT_TOPIC: Final = "rebuilt"


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen, on what machine; `readings` are by the number of workspaces."""

    machine: Machine
    costs: Sequence[Cost]
    readings: Mapping[int, Reading]
    rebuilds: Sequence[Rebuilt]


async def measure(points: Sequence[Point], rounds: int, days: Sequence[int], progress: Progress) -> Seen:
    """Measure each point so many times, in turns, and rebuild a log of each number of days."""
    async with private_servers(progress) as config:
        for point in points:
            bar = progress.add_task(f"published: {point.topic}", total=point.shape.events)
            await fill(point, config, partial(_show, progress, bar))
        turns: dict[str, list[Turn]] = {point.topic: [] for point in points}
        readings: dict[int, Reading] = {}
        for _ in progress.track(range(rounds), description="rounds"):
            for point in points:
                own = settings_of(point, config)
                turns[point.topic].append(await take_turn(own, point.shape.events))
                if point.dimension == "workspaces":
                    readings[point.size] = await read_weeks(own, point.shape)
        costs = [Cost.of(point, turns[point.topic]) for point in points]
        rebuilds = await _rebuilds(config, days, progress)
        async with worker_redis(config) as redis:
            return Seen(await describe(redis), costs, readings, rebuilds)


def _show(progress: Progress, bar: TaskID, done: int) -> None:
    progress.update(bar, completed=done)


async def _rebuilds(config: Config, days: Sequence[int], progress: Progress) -> Sequence[Rebuilt]:
    own = with_topic(config, REBUILT_TOPIC)
    async with worker_redis(config) as redis:
        await redis.flushall()
    bar = progress.add_task("rebuilds", total=len(days))
    found = []
    async for rebuilt in rebuild_growing(own, days):
        found.append(rebuilt)
        progress.advance(bar)
    return found
