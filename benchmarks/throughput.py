"""Throughput: one worker over a backlog, beside a loop that only consumes, in turns.

    python -m benchmarks.throughput --events 1000000 --rounds 3

A single number says little, since it moves with the machine: look at the ratio of the two.
"""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from statistics import median
from typing import Annotated, Final

import orjson
import typer
from rich.progress import Progress

from benchmarks.backlog import Shape, make
from benchmarks.contestants import Contestant, Run
from benchmarks.machine import Machine, describe, load_average
from benchmarks.projecting import publish
from benchmarks.reporting import RESULTS, write_json
from benchmarks.stage import private_servers, shown
from headcount.cli.output import print_table
from headcount.clients import worker_redis
from headcount.composition import utc_now
from headcount.settings import Settings
from projector.progress import read_progress

Runs = Mapping[Contestant, Sequence[Run]]

TURNS: Final[Sequence[Contestant]] = ("worker", "consumer")


@dataclass(frozen=True, slots=True)
class Speed:
    """Events a second, and events a second of CPU time."""

    per_second: float
    per_cpu_second: float

    def __truediv__(self, other: "Speed") -> "Speed":
        return Speed(self.per_second / other.per_second, self.per_cpu_second / other.per_cpu_second)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What was seen, and on what: each run, the medians over the rounds, and the ratio of the medians."""

    machine: Machine
    load_average: float
    backlog: Shape
    runs: Runs
    medians: Mapping[Contestant, Speed]
    worker_to_consumer: Speed


def main(
    *,
    events: Annotated[int, typer.Option(min=20_000, help="How long the backlog is.")] = 1_000_000,
    rounds: Annotated[int, typer.Option(min=1, help="How often each of the two has its turn.")] = 3,
    output: Annotated[Path, typer.Option(help="Where the figures go as JSON.")] = RESULTS / "throughput.json",
) -> None:
    """Publish a backlog, and show how fast one worker counts it and how fast it can be read at all."""
    shape = Shape(events=events)
    load = load_average()
    with shown() as progress:
        runs, machine = asyncio.run(_measure(shape, rounds, progress))
    medians = {contestant: _median(some) for contestant, some in runs.items()}
    figures = Figures(
        machine=machine,
        load_average=load,
        backlog=shape,
        runs=runs,
        medians=medians,
        worker_to_consumer=medians["worker"] / medians["consumer"],
    )
    _print(figures)
    write_json(output, figures)


async def _measure(shape: Shape, rounds: int, progress: Progress) -> tuple[Runs, Machine]:
    async with private_servers(progress) as settings:
        publishing = progress.add_task("published", total=shape.events)
        await publish(
            settings,
            make(shape, utc_now()),
            lambda done: progress.update(publishing, completed=done),
        )
        runs: dict[Contestant, list[Run]] = {contestant: [] for contestant in TURNS}
        for number in progress.track(range(rounds), description="rounds"):
            for contestant in TURNS:
                group = f"{contestant}-{number}"
                runs[contestant].append(await _run(contestant, settings, group, shape.events))
        async with worker_redis(settings) as redis:
            return runs, await describe(redis)


async def _run(contestant: Contestant, settings: Settings, group: str, events: int) -> Run:
    """Let one have its turn, on an empty Redis and in a new group, so that it begins at the beginning."""
    async with worker_redis(settings) as redis:
        await redis.flushdb()
        run = await _in_child(contestant, settings, group, events)
        counted = sum((await read_progress(redis)).checkpoints.values())
    if counted != (events if contestant == "worker" else 0):
        raise RuntimeError(f"after the {contestant}'s turn {counted} of {events} events are counted")
    return run


async def _in_child(contestant: Contestant, settings: Settings, group: str, events: int) -> Run:
    """Run it as a process of its own: its CPU time is then its alone."""
    options = {
        "--kafka": settings.kafka_bootstrap_servers,
        "--redis": settings.redis_url.get_secret_value(),
        "--topic": settings.kafka_topic,
        "--group": group,
        "--events": str(events),
    }
    arguments = ("-m", "benchmarks.contestants", contestant, *chain.from_iterable(options.items()))
    child = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=asyncio.subprocess.PIPE)
    output, _ = await child.communicate()
    if child.returncode:
        raise RuntimeError(f"the {contestant} failed; what it said is above")
    return Run(**orjson.loads(output))


def _median(runs: Sequence[Run]) -> Speed:
    return Speed(
        median(run.events / run.seconds for run in runs),
        median(run.events / run.cpu_seconds for run in runs),
    )


def _print(figures: Figures) -> None:
    print_table(
        ("", "events/s", "events/CPU-s", "rounds, in events/s"),
        [
            (contestant, *_rounded(figures.medians[contestant]), _each(figures.runs[contestant]))
            for contestant in TURNS
        ],
    )
    ratio = figures.worker_to_consumer
    typer.echo(
        f"\nworker to consumer: {ratio.per_second:.2f} by the clock, {ratio.per_cpu_second:.2f} by CPU"
    )
    typer.echo(
        f"{figures.backlog.events:,} events; {figures.machine}; load average {figures.load_average:.2f}"
    )


def _rounded(speed: Speed) -> tuple[str, str]:
    return f"{speed.per_second:,.0f}", f"{speed.per_cpu_second:,.0f}"


def _each(runs: Sequence[Run]) -> str:
    return " ".join(f"{run.events / run.seconds:,.0f}" for run in runs)


if __name__ == "__main__":
    typer.run(main)
