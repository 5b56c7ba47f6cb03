"""Accuracy: recorded activity through Kafka, worker and API, held against counts by other means.

The same events, each twice and in another order, are then counted again and must give the same counters.

    python -m benchmarks.accuracy --recording FILE --truth FILE
"""

import asyncio
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.progress import Progress

from benchmarks.asking import ask_for
from benchmarks.counters import Difference, compare, count_bare
from benchmarks.deviations import EXACT_UP_TO, Deviation, Summary, deviations, summarise
from benchmarks.machine import Machine, describe, load_average
from benchmarks.people import Counts, count, people_of, read_counts
from benchmarks.projecting import project, publish
from benchmarks.reporting import RESULTS, write_json
from benchmarks.stage import private_servers, shown, side
from headcount.cli.output import print_table
from headcount.clients import worker_redis
from headcount.ops.replay.recording import Activity, encode, read
from headcount.ops.replay.week import SAMPLE
from headcount.wiring import Config
from projector.keys import FIRST

SEED: Final = 2012


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What was seen, and on what. `replayed` compares with the counters of the second replay."""

    machine: Machine
    load_average: float
    recording: str
    events: int
    days: Summary
    replayed: Difference

    @property
    def hold(self) -> bool:
        """Whether they are what is promised."""
        return not self.days.outside and not self.replayed.different


def main(
    *,
    recording: Annotated[
        Path, typer.Option(help="Recorded activity; the sample week if not given.")
    ] = SAMPLE,
    truth: Annotated[
        Path | None,
        typer.Option(
            help="Lines of workspace, day and users, counted by other means from the same recording."
        ),
    ] = None,
    output: Annotated[Path, typer.Option(help="Where the figures go as JSON.")] = RESULTS / "accuracy.json",
) -> None:
    """Count recorded activity, ask the API for every day of it, and show how far off it is."""
    load = load_average()
    activities, exact = _load(recording, truth)
    with shown() as progress:
        days, replayed, machine = asyncio.run(_measure(activities, exact, progress))
    figures = Figures(
        machine=machine,
        load_average=load,
        recording=recording.name,
        events=len(activities),
        days=summarise(days),
        replayed=replayed,
    )
    _print(figures)
    write_json(output, figures)
    if not figures.hold:
        typer.echo("What is promised does not hold.", err=True)
        raise typer.Exit(1)


def _load(recording: Path, truth: Path | None) -> tuple[Sequence[Activity], Counts]:
    activities = list(read(recording))
    exact = count(people_of(activities))
    if truth and read_counts(truth) != exact:
        raise typer.BadParameter(f"{truth} is not what {recording} counts to")
    return activities, exact


async def _measure(
    activities: Sequence[Activity], truth: Counts, progress: Progress
) -> tuple[Sequence[Deviation], Difference, Machine]:
    async with private_servers(progress) as servers:
        first = side(servers, topic="in-order", database=0)
        await _count(first, activities, progress)
        answers = await ask_for(first, truth)
        second = side(servers, topic="twice-and-shuffled", database=1)
        await _count(second, _shuffled_twice(activities), progress)
        shadow = side(servers, topic="none", database=2)
        async with (
            worker_redis(first) as redis,
            worker_redis(second) as theirs,
            worker_redis(shadow) as other,
        ):
            bare = await count_bare(other, people_of(activities))
            days = deviations(truth=truth, answers=answers, bare=bare)
            return days, await compare(redis, theirs, FIRST), await describe(redis)


async def _count(config: Config, activities: Sequence[Activity], progress: Progress) -> None:
    """Bring the activities through Kafka into the counters."""
    total, topic = len(activities), config.kafka.topic
    publishing = progress.add_task(f"published {topic}", total=total)
    counting = progress.add_task(f"counted {topic}", total=total)
    values = (encode(activity, "message") for activity in activities)
    await publish(config, values, lambda done: progress.update(publishing, completed=done))
    await project(config, total, lambda done: progress.update(counting, completed=done))


def _shuffled_twice(activities: Iterable[Activity]) -> Sequence[Activity]:
    twice = [*activities, *activities]
    random.Random(SEED).shuffle(twice)
    return twice


def _print(figures: Figures) -> None:
    days, replayed = figures.days, figures.replayed
    rows = {
        "events": f"{figures.events:,}",
        "workspace-days": f"{days.days:,}",
        "exact": f"{days.exact:,} ({days.exact / days.days:.2%})",
        f"of up to {EXACT_UP_TO} users": f"{days.small:,}",
        "exact of these": f"{days.small_exact:,}",
        "larger": "\n".join(map(str, days.large)),
        "worst": days.worst,
        "off by more than is promised": f"{len(days.outside):,}",
        "exact with a bare HyperLogLog": f"{days.bare_exact:,} ({days.bare_exact / days.days:.2%})",
        "counters": f"{replayed.counters:,}",
        "other after the second replay": f"{len(replayed.different):,}",
    }
    print_table(("figure", "seen"), rows.items())
    typer.echo(f"\n{figures.machine}; load average {figures.load_average:.2f} before")


if __name__ == "__main__":
    typer.run(main)
