"""What an event costs while workspaces, users or partitions grow, and a rebuild while the log does.

python -m benchmarks.scale --events 1000000 --rounds 2 --days 4 --days 16
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from benchmarks.machine import Machine, load_average
from benchmarks.reporting import RESULTS, write_json
from benchmarks.scale.costs import Cost, growth
from benchmarks.scale.measuring import Seen, measure
from benchmarks.scale.points import points
from benchmarks.scale.reading import Reading
from benchmarks.scale.rebuilding import EVENTS_A_DAY, Rebuilt
from benchmarks.stage import shown
from benchmarks.target import Target
from headcount.cli.output import print_table

DAYS: Final = (4, 16)
"""5 and 20 million events."""
MOST_MEGABYTES: Final = 200.0
LINEAR: Final = 0.9
"""A rebuild that takes its time for each record alone would reach 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What was seen, and on what. `growth` is the cost of an event relative to the smallest point."""

    machine: Machine
    load_average: float
    costs: Sequence[Cost]
    growth: Mapping[str, float]
    readings: Mapping[str, Reading]
    rebuilds: Sequence[Rebuilt]
    targets: Sequence[Target]


def main(
    *,
    events: Annotated[int, typer.Option(min=20_000, help="How long each backlog is.")] = 1_000_000,
    rounds: Annotated[int, typer.Option(min=1, help="How often each point has its turn.")] = 2,
    days: Annotated[
        list[int] | None,
        typer.Option(min=1, help=f"How long the log to rebuild is, in days of {EVENTS_A_DAY:,} events."),
    ] = None,
    output: Annotated[Path, typer.Option(help="Where the figures go as JSON.")] = RESULTS / "scale.json",
) -> None:
    """Show how cost grows, point by point."""
    busy = load_average()
    with shown() as progress:
        seen = asyncio.run(measure(points(events), rounds, days or DAYS, progress))
    figures = Figures(
        machine=seen.machine,
        load_average=busy,
        costs=seen.costs,
        growth=growth(seen.costs),
        readings={str(workspaces): reading for workspaces, reading in seen.readings.items()},
        rebuilds=seen.rebuilds,
        targets=list(_targets(seen)),
    )
    _print(figures)
    write_json(output, figures)


def _targets(seen: Seen) -> Iterator[Target]:
    peaks = (
        *(cost.worker_peak_megabytes for cost in seen.costs),
        *(rebuilt.worker_peak_megabytes for rebuilt in seen.rebuilds),
    )
    yield Target(
        what="most memory of a worker, at any point",
        seen=max(peaks),
        bound=MOST_MEGABYTES,
        unit="MB",
        side="at most",
    )
    first = seen.rebuilds[0]
    for longer in seen.rebuilds[1:]:
        yield Target(
            what=f"rebuild, records/s: {longer.records:,} to {first.records:,}",
            seen=round(longer.records_per_second / first.records_per_second, 2),
            bound=LINEAR,
        )


def _print(figures: Figures) -> None:
    print_table(
        ("", "", "events/CPU-s", "worker, us", "Redis, us", "growth", "additions", "worker, MB"),
        [_row(cost, figures.growth[cost.point.topic]) for cost in figures.costs],
    )
    typer.echo("\nOne reading of a week:")
    print_table(
        ("workspaces", "us", "of it script"),
        [(name, *asdict(reading).values()) for name, reading in figures.readings.items()],
    )
    typer.echo("\nRebuilds:")
    print_table(
        ("records", "seconds", "records/s", "CPU, s", "Redis CPU, s", "MB", "worker, MB"),
        [_rebuild_row(rebuilt) for rebuilt in figures.rebuilds],
    )
    typer.echo(f"\n{figures.machine}; load average {figures.load_average:.2f}")


def _row(cost: Cost, growth: float) -> tuple[object, ...]:
    return (
        cost.point.dimension,
        f"{cost.point.size:,}",
        f"{cost.events_per_cpu_second:,}",
        cost.worker_microseconds,
        cost.redis_microseconds,
        growth,
        cost.additions,
        cost.worker_peak_megabytes,
    )


def _rebuild_row(rebuilt: Rebuilt) -> tuple[object, ...]:
    return (
        f"{rebuilt.records:,}",
        rebuilt.seconds,
        f"{rebuilt.records_per_second:,}",
        rebuilt.cpu_seconds,
        rebuilt.redis_cpu_seconds,
        rebuilt.peak_megabytes,
        rebuilt.worker_peak_megabytes,
    )


if __name__ == "__main__":
    typer.run(main)
