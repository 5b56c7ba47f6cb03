"""The read path under full load: Headcount's API beside handlers that do less, in turns.

    python -m benchmarks.polling --seconds 5 --rounds 3

A single number says little, since it moves with the machine: look at the ratios within one run.
"""

import asyncio
import os
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.progress import Progress

from benchmarks.cores import Cores, pin
from benchmarks.machine import describe, load_average
from benchmarks.polling.answers import WrongAnswerError
from benchmarks.polling.contestants import Name, contestants
from benchmarks.polling.figures import ORDER, Figures, Pace, medians, ratio, targets
from benchmarks.polling.stage import prepared
from benchmarks.polling.turns import FailedTurnError, take_turns, warm_up
from benchmarks.polling.wrk import CONNECTIONS, WrkError, require_wrk
from benchmarks.reporting import RESULTS, write_json
from benchmarks.stage import shown
from headcount.cli.output import print_table
from headcount.logging import configure_logging

MEANINGS: Final[dict[Name, str]] = {
    "bare": "aiohttp handler, a fixed body",
    "polling": "Headcount, the same question again and again",
    "one-round-trip": "aiohttp handler, one GET in Redis",
    "uncached": "Headcount, never the same question within a second",
    "eight-pfcounts": "aiohttp handler, eight PFCOUNT in one pipeline",
    "not-modified": "Headcount, the same question with If-None-Match",
    "two-processes": "Headcount with --processes 2, on all cores",
}


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
        polling_to_eight_pfcounts=ratio(paces, "polling", "eight-pfcounts"),
        targets=targets(paces),
    )


def _print(figures: Figures) -> None:
    print_table(
        ("", "requests/s", "p50 ms", "p99 ms", "requests/CPU-s", "what is asked"),
        [(name, *_rounded(figures.medians[name]), MEANINGS[name]) for name in ORDER],
    )
    typer.echo()
    print_table(
        ("target", "seen", "", "bound", ""),
        [
            (each.what, f"{each.seen:.2f}", each.side, f"{each.bound:.2f}", "" if each.holds else "missed")
            for each in figures.targets
        ],
    )
    held = "the server on a core of its own" if figures.cores_are_parted else "all on the same cores"
    typer.echo(f"\nrepeated polling to eight PFCOUNTs: {figures.polling_to_eight_pfcounts:.2f}")
    typer.echo(
        f"{CONNECTIONS} connections, {held}; {figures.machine}; load average {figures.load_average:.2f}"
    )


def _rounded(pace: Pace) -> tuple[str, ...]:
    return (
        f"{pace.requests_per_second:,.0f}",
        f"{pace.p50:.2f}",
        f"{pace.p99:.2f}",
        f"{pace.requests_per_cpu_second:,.0f}",
    )


if __name__ == "__main__":
    typer.run(main)
