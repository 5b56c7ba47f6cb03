"""Where a worker's CPU time goes, stage by stage, as a sampler sees it from outside.

    python -m benchmarks.profile --events 1000000

One turn without the sampler says what an event costs, one with it how that is shared out.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Final

import typer
from rich.progress import Progress

from benchmarks.backlog import Shape
from benchmarks.machine import Machine, describe, load_average
from benchmarks.reporting import RESULTS, write_json
from benchmarks.stage import private_servers, shown
from benchmarks.stages import read_stacks, samples_by_function, samples_by_stage
from benchmarks.throughput.line_up import ALONE, ENVIRONMENT, Contestant
from benchmarks.throughput.run import Run
from benchmarks.throughput.stage import lay_out, take_turn
from headcount.cli.output import print_table
from headcount.clients import worker_redis

SAMPLER: Final = ENVIRONMENT / "bin" / "py-spy"
SAMPLES_A_SECOND: Final = 400
FUNCTIONS: Final = 15
WORKER: Final = next(contestant for contestant in ALONE if contestant.name == "worker")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What was seen, and on what: the turn without the sampler, and samples by stage and by function."""

    machine: Machine
    load_average: float
    run: Run
    stages: Mapping[str, int]
    functions: Mapping[str, int]


def main(
    *,
    events: Annotated[int, typer.Option(min=200_000, help="How long the backlog is.")] = 1_000_000,
    output: Annotated[Path, typer.Option(help="Where the figures go as JSON.")] = RESULTS / "profile.json",
) -> None:
    """Publish a backlog, have a worker count it twice, and show where its CPU time went."""
    if not SAMPLER.exists():
        typer.echo("The sampler is not installed: `make peers` does that.", err=True)
        raise typer.Exit(1)
    load = load_average()
    with shown() as progress, TemporaryDirectory() as folder:
        path = Path(folder) / "samples"
        machine, run = asyncio.run(_measure(Shape(events=events), path, progress))
        stacks = read_stacks(path.read_text())
    figures = Figures(
        machine=machine,
        load_average=load,
        run=run,
        stages=dict(samples_by_stage(stacks).most_common()),
        functions=dict(samples_by_function(stacks).most_common(FUNCTIONS)),
    )
    _print(figures)
    write_json(output, figures)


async def _measure(shape: Shape, path: Path, progress: Progress) -> tuple[Machine, Run]:
    async with private_servers(progress) as config:
        backlog = await lay_out(config, shape, progress)
        run = await take_turn(WORKER, backlog, "unwatched")
        await take_turn(_under_sampler(WORKER, path), backlog, "watched")
        async with worker_redis(config) as redis:
            return await describe(redis), run


def _under_sampler(contestant: Contestant, path: Path) -> Contestant:
    """Have the sampler run it: of a child it may always read the stacks. Idle threads are left out."""
    options = ("--format", "raw", "--rate", str(SAMPLES_A_SECOND), "--output", str(path))
    return replace(contestant, command=(str(SAMPLER), "record", *options, "--", *contestant.command))


def _print(figures: Figures) -> None:
    microseconds = figures.run.cpu_seconds / figures.run.events * 1e6
    print_table(("stage", "share", "µs an event"), _rows(figures.stages, figures.stages, microseconds))
    typer.echo("\nThe innermost functions that were seen most:")
    print_table(("function", "share", "µs an event"), _rows(figures.functions, figures.stages, microseconds))
    typer.echo(
        f"\n{figures.run.per_cpu_second:,.0f} events/CPU-s, so {microseconds:.2f} µs an event, without the "
        f"sampler; {sum(figures.stages.values()):,} samples; {figures.machine}; "
        f"load average {figures.load_average:.2f}"
    )


def _rows(
    samples: Mapping[str, int], all_samples: Mapping[str, int], microseconds: float
) -> Sequence[tuple[str, str, str]]:
    whole = sum(all_samples.values())
    return [
        (name, f"{some / whole:.0%}", f"{some / whole * microseconds:.2f}") for name, some in samples.items()
    ]


if __name__ == "__main__":
    typer.run(main)
