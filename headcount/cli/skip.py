"""`headcount skip`: skips damaged records at which a partition has stopped."""

from typing import Annotated

import typer

from headcount.cli.execution import ask
from headcount.cli.output import AsJson, print_json
from headcount.ops import skip as skipping
from projector.gaps import GapReport


def skip(
    *,
    partition: Annotated[int, typer.Option(min=0, help="The stopped partition, named in the worker's log.")],
    to: Annotated[
        int | None,
        typer.Option(
            min=0, metavar="OFFSET", help="The next offset to count; the first readable one if not given."
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    json: AsJson = False,
) -> None:
    """Move the checkpoint of a partition past unreadable records, which are never counted.

    The gap is recorded: `headcount status` reports it, with the days whose counts may be too low, until it is
    acknowledged. A running worker continues within half a minute.

    Example: `headcount skip --partition 2 --to 1042`
    """
    planned = ask(lambda config: skipping.plan_skip(config, partition, to))
    if not yes:
        typer.confirm(f"{_describe(planned)} Continue?", abort=True, err=True)
    gap = ask(lambda config: skipping.skip(config, planned))
    if json:
        print_json(gap)
    else:
        typer.echo(f"{planned.partition} continues at {planned.to}. {_describe_days(gap)}")


def _describe(planned: skipping.Skip) -> str:
    offsets = planned.to - planned.checkpoint
    return (
        f"Up to {offsets:,} records of {planned.partition}, from {planned.checkpoint} to {planned.to - 1}, "
        "will never be counted."
    )


def _describe_days(gap: GapReport) -> str:
    since = "all days up to" if gap.first_day is None else f"the days from {gap.first_day} to"
    return f"The counts of {since} {gap.last_day} may be too low."
