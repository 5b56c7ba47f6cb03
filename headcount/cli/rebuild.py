"""`headcount rebuild`: the counters computed anew from the log, while the live ones go on answering."""

from typing import Annotated, Final

import typer

from headcount.cli.execution import ask
from headcount.cli.output import AsJson, instant, print_json, print_table
from headcount.cli.progress import shown
from headcount.ops.audit.report import Damage
from headcount.ops.rebuild.rebuild import Judge, open_rebuild
from headcount.ops.rebuild.report import Report, accept_loss, refuse_loss
from headcount.wiring import Config
from projector.counter_config import Change

Yes = Annotated[
    bool, typer.Option("--yes", help="Replace the counters also where the log no longer holds all people.")
]
MOST_ROWS: Final = 20
_FIELDS: Final = {
    "time_zone": "TIME_ZONE",
    "user_id_hash_key": "USER_ID_HASH_KEY",
    "without": "people to be forgotten",
}


def rebuild(
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only report what differs, and discard what was counted.")
    ] = False,
    yes: Yes = False,
    json: AsJson = False,
) -> None:
    """Count the log anew beside the live counters, report what differs, and switch over in one step.

    With the settings of the command: a new TIME_ZONE or USER_ID_HASH_KEY is what the counters mean from then
    on, and workers and API have to be started with it. Meanwhile both go on, and Redis needs the memory of
    the counters twice. Interrupted, it goes on where it was. Where the log no longer holds everybody who is
    counted, nothing is replaced without --yes.

    Example: `TIME_ZONE=Europe/Vienna headcount rebuild`
    """
    judge = accept_loss if yes else refuse_loss
    show_report(ask(examine if dry_run else lambda config: replace(config, judge)), json=json)


async def replace(config: Config, judge: Judge) -> Report:
    """Run a rebuild that switches over."""
    async with open_rebuild(config) as rebuild:
        counting = rebuild.counting
        async with shown(lambda: counting.done, counting.total, unit="records"):
            return await rebuild.replace(judge)


async def examine(config: Config) -> Report:
    """Run a rebuild that only reports."""
    async with open_rebuild(config) as rebuild:
        counting = rebuild.counting
        async with shown(lambda: counting.done, counting.total, unit="records"):
            return await rebuild.examine()


def show_report(report: Report, *, json: bool) -> None:
    """Print what a rebuild found and did."""
    if json:
        print_json(report)
        return
    if report.differences.damaged:
        rows = report.differences.damaged[:MOST_ROWS]
        print_table(("workspace", "counter of", "before"), map(_row, rows))
        typer.echo()
    for sentence in _sentences(report):
        typer.echo(sentence)


def _row(damage: Damage) -> tuple[str, str, str]:
    period = str(damage.day) if damage.bucket is None else f"15 minutes from {instant(damage.bucket)}"
    return damage.workspace_id, period, damage.state


def _sentences(report: Report) -> list[str]:
    found = [f"Changed: {_describe(change)}." for change in report.changes]
    differences = report.differences
    if differences.damaged:
        found.append(f"Counters that lacked people, or held others: {len(differences.damaged):,}.")
    if differences.surplus:
        surplus = differences.surplus
        found.append(
            f"Counters that held more than the log does: {surplus.counters:,}, of {surplus.first_day} to "
            f"{surplus.last_day}."
        )
    if not differences.damaged and not differences.surplus:
        found.append("Every counter is the same as before.")
    found += report.losses
    done = "The new counters are live." if report.replaced else "Nothing was replaced."
    return [*found, f"Records read: {report.records:,}. {done}"]


def _describe(change: Change) -> str:
    return f"{_FIELDS.get(change.field, change.field)}, from {change.was or 'nothing'} to {change.now}"
