"""`headcount gaps`: records that were never counted, and the days that may be affected."""

from dataclasses import dataclass
from typing import Annotated, Final

import typer

from headcount.cli.execution import ask
from headcount.cli.flags import CommandGroup
from headcount.cli.output import AsJson, counted, print_json, print_table
from headcount.clients import worker_redis
from headcount.ops.log_check import read_recorded
from headcount.wiring import Config
from ingest.ports import GapCause
from projector.gaps import GapReport, read_acknowledged
from projector.gaps import acknowledge as put_aside

_WORDS: Final[dict[GapCause, str]] = {
    "retention": "retention removed {checkpoint} to {last} before they were counted",
    "skipped": "{checkpoint} to {last} were skipped by an operator",
    "truncated": "the log was cut back to {end}; it was counted up to {checkpoint}",
    "recreated": "the topic was recreated; the old one was counted up to {checkpoint}",
}

app = CommandGroup(
    no_args_is_help=True,
    help="List and acknowledge gaps: records that can no longer be read and were not counted.\n\n"
    "Example: headcount gaps list",
)


@dataclass(frozen=True, slots=True)
class Gaps:
    """The newest gaps in the order of their discovery: open ones and acknowledged ones."""

    open: list[GapReport]
    acknowledged: list[GapReport]


@app.command(name="list")
def list_(
    *,
    everything: Annotated[bool, typer.Option("--all", help="Also acknowledged gaps.")] = False,
    json: AsJson = False,
) -> None:
    """List the gaps with the days whose counts may be too low.

    Example: `headcount gaps list --all`
    """
    found = ask(_read)
    shown = [*found.acknowledged, *found.open] if everything else found.open
    if json:
        print_json(shown)
    elif shown:
        print_table(("partition", "found", "cause", "days that may be too low"), map(_row, shown))
    else:
        typer.echo("No gaps." if everything else "No open gaps.")


@app.command()
def acknowledge(*, json: AsJson = False) -> None:
    """Acknowledge all gaps, so that `headcount status` no longer reports them.

    The gaps stay recorded, and the counts of their days do not change.

    Example: `headcount gaps acknowledge`
    """
    acknowledged = ask(_acknowledge)
    if json:
        print_json(acknowledged)
    else:
        typer.echo(f"Acknowledged {counted(len(acknowledged), 'gap')}." if acknowledged else "No open gaps.")


async def _read(config: Config) -> Gaps:
    async with worker_redis(config) as redis:
        progress = await read_recorded(config, redis)
        return Gaps(list(progress.gaps), await read_acknowledged(redis))


async def _acknowledge(config: Config) -> list[GapReport]:
    async with worker_redis(config) as redis:
        found = list((await read_recorded(config, redis)).gaps)
        await put_aside(redis, len(found))
    return found


def _row(gap: GapReport) -> tuple[object, ...]:
    what = _WORDS[gap.cause].format(checkpoint=gap.checkpoint, last=gap.beginning - 1, end=gap.end)
    days = f"up to {gap.last_day}" if gap.first_day is None else f"{gap.first_day} to {gap.last_day}"
    return gap.partition, gap.found_at, what, days
