"""Throughput: one worker over a backlog, compared with alternatives in alternating rounds.

    python -m benchmarks.throughput --events 1000000 --rounds 3

A single number says little, since it moves with the machine: look at the ratios.
"""

import asyncio
from pathlib import Path
from typing import Annotated, Final, get_args

import typer
from rich.progress import Progress

from benchmarks.backlog import Shape
from benchmarks.machine import Machine, describe, load_average
from benchmarks.reporting import RESULTS, write_json
from benchmarks.stage import private_servers, shown
from benchmarks.targets import print_targets
from benchmarks.throughput.figures import Figures, speed, targets
from benchmarks.throughput.line_up import LineUp, Name, installed_peers, line_up, versions_of
from benchmarks.throughput.pair import run_pair
from benchmarks.throughput.run import Run
from benchmarks.throughput.stage import Stage, take_turn
from headcount.cli.output import print_table
from headcount.clients import worker_redis

EVENTS_STEP: Final = 100_000
"""Batches of every contestant end with the backlog, so that none waits for more at its end."""

Runs = dict[Name, list[Run]]


def _in_steps(events: int) -> int:
    if events % EVENTS_STEP:
        raise typer.BadParameter(f"the backlog is published in steps of {EVENTS_STEP:,} events")
    return events


def _known(names: list[str] | None) -> list[str] | None:
    if unknown := set(names or ()).difference(get_args(Name)):
        raise typer.BadParameter(f"{', '.join(unknown)}: there are only {', '.join(get_args(Name))}")
    return names


def main(
    *,
    events: Annotated[
        int, typer.Option(min=2 * EVENTS_STEP, callback=_in_steps, help="How long the backlog is.")
    ] = 1_000_000,
    rounds: Annotated[int, typer.Option(min=1, help="How often each has its turn.")] = 3,
    contestant: Annotated[
        list[str] | None,
        typer.Option(callback=_known, help="Who takes part; may come several times. All, if none is named."),
    ] = None,
    output: Annotated[Path, typer.Option(help="Where the figures go as JSON.")] = RESULTS / "throughput.json",
) -> None:
    """Publish a backlog, and show how fast it is counted by a worker, and by others."""
    installed = installed_peers()
    cast, load = line_up(contestant or get_args(Name), installed), load_average()
    _tell_missing(cast)
    with shown() as progress:
        runs, machine = asyncio.run(_measure(Shape(events=events), rounds, cast, progress))
    figures = Figures(
        machine=machine,
        load_average=load,
        backlog=Shape(events=events),
        peers=versions_of(cast.present, installed),
        missing=cast.missing,
        runs=runs,
        medians={name: speed(some) for name, some in runs.items()},
        targets=targets(runs, machine.cores),
    )
    _print(figures)
    write_json(output, figures)


async def _measure(shape: Shape, rounds: int, cast: LineUp, progress: Progress) -> tuple[Runs, Machine]:
    async with private_servers(progress) as config:
        stage, runs = Stage(config, shape, progress), Runs()
        for number in progress.track(range(rounds), description="rounds"):
            for contestant in cast.present:
                backlog = await stage.backlog(contestant.share)
                run = await take_turn(contestant, backlog, f"{contestant.name}-{number}")
                runs.setdefault(contestant.name, []).append(run)
            if cast.has_pair:
                runs.setdefault("pair", []).append(await run_pair(config, shape, f"pair-{number}"))
        async with worker_redis(config) as redis:
            return runs, await describe(redis)


def _tell_missing(cast: LineUp) -> None:
    for name in cast.missing:
        typer.echo(
            f"{name} is not installed here and does not take part; its targets are left out. "
            "`make peers` installs what there is for this Python.",
            err=True,
        )


def _print(figures: Figures) -> None:
    print_table(
        ("", "events/s", "events/CPU-s", "peak MB", "servers, µs/event", "rounds, in events/CPU-s"),
        [
            (
                name,
                f"{median.per_second:,.0f}",
                f"{median.per_cpu_second:,.0f}",
                f"{median.peak_megabytes:,.0f}",
                f"{median.servers_microseconds:.2f}",
                " ".join(f"{run.per_cpu_second:,.0f}" for run in figures.runs[name]),
            )
            for name, median in figures.medians.items()
        ],
    )
    typer.echo()
    print_targets(figures.targets)
    typer.echo(
        f"\n{figures.backlog.events:,} events; {figures.machine}; load average {figures.load_average:.2f}"
    )


if __name__ == "__main__":
    typer.run(main)
