"""The read path under full load: Headcount's API compared with handlers that do less, in alternating rounds.

    python -m benchmarks.polling --seconds 5 --rounds 3

A single number says little, since it moves with the machine: look at the ratios within one run.
"""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.progress import Progress

from benchmarks.cores import Cores, pin
from benchmarks.machine import describe, load_average
from benchmarks.polling.answers import WrongAnswerError
from benchmarks.polling.contestants import Name, contestants
from benchmarks.polling.figures import ORDER, Figures, Pace, Ratio, medians, ratios, targets
from benchmarks.polling.stage import prepared
from benchmarks.polling.turns import FailedTurnError, take_turns, warm_up
from benchmarks.polling.wrk import CONNECTIONS, WrkError, require_wrk
from benchmarks.reporting import RESULTS, write_json
from benchmarks.stage import shown
from benchmarks.targets import print_targets
from headcount.cli.output import print_table
from headcount.telemetry.logging import configure_logging

MEANINGS: Final[dict[Name, str]] = {
    "bare": "aiohttp handler, a fixed body",
    "polling": "Headcount, the same question again and again",
    "one-round-trip": "aiohttp handler, one GET in Redis",
    "uncached": "Headcount, never the same question within a second",
    "new-token": "Headcount, never the same question, nor the same token within seconds",
    "eight-pfcounts": "aiohttp handler, eight PFCOUNT in one pipeline",
    "not-modified": "Headcount, the same question with If-None-Match",
    "two-processes": "Headcount with --processes 2, on all cores",
}

BUSY: Final = 0.9
NOT_ALONE: Final = "Something else was busy on this machine: compare only what is by CPU, and no p99."


def main(
    *,
    seconds: Annotated[int, typer.Option(min=1, max=20, help="How long a turn is.")] = 5,
    rounds: Annotated[int, typer.Option(min=1, help="How often each has its turn.")] = 3,
    output: Annotated[Path, typer.Option(help="Where the figures go as JSON.")] = RESULTS / "polling.json",
) -> None:
    """Ask Headcount's API and bare handlers as fast as they answer, and show how they compare."""
    try:
        require_wrk()
        configure_logging("warning", "console", libraries="critical")
        with shown() as progress:
            figures = asyncio.run(_measure(seconds, rounds, progress))
    except (WrkError, WrongAnswerError, FailedTurnError) as error:
        typer.echo(error, err=True)
        raise typer.Exit(1) from error
    _print(figures)
    write_json(output, figures)


async def _measure(seconds: int, rounds: int, progress: Progress) -> Figures:
    load, cores = load_average(), Cores.parted()
    pin(os.getpid(), cores.others)  # first of all: Redis and wrk inherit it
    async with prepared() as stage, contestants(stage, cores) as all_of_them:
        await warm_up(stage, all_of_them)
        turns = [
            await take_turns(stage, all_of_them, seconds=seconds)
            for _ in progress.track(range(rounds), description="rounds")
        ]
        machine = await describe(stage.redis)
    paces = medians(turns)
    return Figures(
        machine=machine,
        load_average=load,
        cores_are_parted=cores.are_parted,
        connections=CONNECTIONS,
        seconds_a_turn=seconds,
        rounds=turns,
        medians=paces,
        ratios=ratios(paces),
        targets=targets(paces),
    )


def _print(figures: Figures) -> None:
    print_table(
        ("", "requests/s", "p50 ms", "p99 ms", "requests/CPU-s", "busy", "what is asked"),
        [(name, *_pace(figures.medians[name]), MEANINGS[name]) for name in ORDER],
    )
    typer.echo()
    print_table(
        ("", "by the clock", "by CPU"), [(what, *_ratio(ratio)) for what, ratio in figures.ratios.items()]
    )
    typer.echo()
    print_targets(figures.targets)
    held = "the server on a core of its own" if figures.cores_are_parted else "all on the same cores"
    typer.echo(f"\n{CONNECTIONS} connections, {held}; load average {figures.load_average:.2f}")
    typer.echo(figures.machine)
    if figures.cores_are_parted and min(pace.busy for pace in figures.medians.values()) < BUSY:
        typer.echo(NOT_ALONE)


def _pace(pace: Pace) -> Sequence[str]:
    return (
        f"{pace.requests_per_second:,.0f}",
        f"{pace.p50:.2f}",
        f"{pace.p99:.2f}",
        f"{pace.requests_per_cpu_second:,.0f}",
        f"{pace.busy:.0%}",
    )


def _ratio(ratio: Ratio) -> Sequence[str]:
    return f"{ratio.per_second:.2f}", f"{ratio.per_cpu_second:.2f}"


if __name__ == "__main__":
    typer.run(main)
