"""`headcount skip`: have a partition that is stopped at damaged records go on behind them."""

from typing import Annotated

import typer

from headcount.cli.execution import ask
from headcount.cli.output import AsJson, print_json
from headcount.ops import skip as skipping
from projector.gaps import GapReport


def skip(
    *,
    partition: Annotated[int, typer.Option(min=0, help="Which one is stopped; the worker's log names it.")],
    to: Annotated[
        int | None,
        typer.Option(
            min=0, metavar="OFFSET", help="The next to count; the first that can be read again if not given."
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    json: AsJson = False,
) -> None:
    """Move a partition's checkpoint forward, past records that can't be read: they are never counted.

    The gap is on record: `headcount status` shows it, with the days whose numbers may be too low, until it is
    acknowledged. A worker that is running goes on within half a minute.

    Example: `headcount skip --partition 2 --to 1042`
    """
    planned = ask(lambda config: skipping.plan_skip(config, partition, to))
    if not yes:
        typer.confirm(f"{_describe(planned)} Go on?", abort=True, err=True)
    gap = ask(lambda config: skipping.skip(config, planned))
    if json:
        print_json(gap)
    else:
        typer.echo(f"{planned.partition} goes on at {planned.to}. {_tell_days(gap)}")


def _describe(planned: skipping.Skip) -> str:
    offsets = planned.to - planned.checkpoint
    return (
        f"Up to {offsets:,} records of {planned.partition}, from {planned.checkpoint} to {planned.to - 1}, "
        "will never be counted."
    )


def _tell_days(gap: GapReport) -> str:
    since = "all days up to" if gap.first_day is None else f"the days from {gap.first_day} to"
    return f"The numbers of {since} {gap.last_day} may be too low."
