"""`headcount rebuild`: computes the counters again from the log while the live ones are in use."""

import sys
from collections.abc import Sequence
from typing import Annotated, Final

import typer

from headcount.cli.execution import ask, confirm
from headcount.cli.output import AsJson, instant, print_json, print_table
from headcount.cli.progress import shown
from headcount.ops.audit.report import Damage
from headcount.ops.rebuild.rebuild import NO_CHANGES, Judge, open_rebuild, read_changes
from headcount.ops.rebuild.report import (
    Report,
    accept_changes,
    accept_loss,
    accept_only,
    changes_of_settings,
    refuse_loss,
)
from headcount.wiring import Config
from projector.counter_config import COUNTED_REVISION
from projector.deployment import CHANGEABLE, Change, show_value
from projector.rebuild.next_generation import Consent

Yes = Annotated[
    bool,
    typer.Option("--yes", help="Replace the counters even if the log no longer holds all counted users."),
]
MOST_ROWS: Final = 20


def parse_setting(text: str) -> str:
    """Parse the name of a setting that a rebuild can change."""
    if text not in CHANGEABLE:
        raise typer.BadParameter(f"expected one of {', '.join(CHANGEABLE)}")
    return text


def rebuild(
    *,
    change: Annotated[
        list[str] | None,
        typer.Option(
            parser=parse_setting,
            metavar="NAME",
            help="A setting whose value replaces the recorded one; may be repeated.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only report differences, and discard the new counters.")
    ] = False,
    yes: Yes = False,
    json: AsJson = False,
) -> None:
    """Count the log into new counters, report the differences and switch over atomically.

    Workers and API keep running. Redis needs memory for both sets of counters. An interrupted rebuild resumes
    where it stopped. If the log no longer holds all counted users, nothing is replaced without --yes.

    A setting that differs from the recorded value changes what all workers and APIs count. This requires
    --change with its name, or confirmation at a terminal. Processes with the old value then wait.

    Example: `TIME_ZONE=Europe/Vienna headcount rebuild --change TIME_ZONE`
    """
    if dry_run:
        report = ask(examine)
    else:
        judge, wanted = accept_loss if yes else refuse_loss, set(change or ())
        if sys.stdin.isatty() and sys.stderr.isatty():
            wanted |= _confirmed(ask(read_changes), wanted)
        report = ask(lambda config: replace(config, judge, accept_only(wanted)))
    show_report(report, json=json)


def _confirmed(changes: Sequence[Change], wanted: set[str]) -> set[str]:
    """Ask for confirmation of changes not given by --change, and return their settings."""
    unexpected = [change for change in changes if change.setting not in wanted]
    for change in unexpected:
        typer.echo(f"{_describe(change)}.", err=True)
    if unexpected:
        confirm("Change this for all workers and APIs?")
    return {change.setting for change in unexpected if change.setting}


async def replace(config: Config, judge: Judge, consent: Consent = NO_CHANGES) -> Report:
    """Run a rebuild that switches over."""
    async with open_rebuild(config, consent) as rebuild:
        counting = rebuild.counting
        async with shown(lambda: counting.done, counting.total, unit="records"):
            return await rebuild.replace(judge)


async def examine(config: Config) -> Report:
    """Run a rebuild that only reports differences."""
    async with open_rebuild(config, accept_changes) as rebuild:
        counting = rebuild.counting
        async with shown(lambda: counting.done, counting.total, unit="records"):
            return await rebuild.examine()


def show_report(report: Report, *, json: bool) -> None:
    """Print the result of a rebuild."""
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
    found = [f"Changed: {_describe(change)}." for change in changes_of_settings(report.changes)]
    if any(change.field == COUNTED_REVISION for change in report.changes):
        found.append(f"Forgotten users that were excluded: {report.forgotten:,}.")
    differences = report.differences
    if differences.damaged:
        found.append(f"Counters with missing or other users: {len(differences.damaged):,}.")
    if differences.surplus:
        surplus = differences.surplus
        found.append(
            f"Counters with more users than the log: {surplus.counters:,}, from {surplus.first_day} to "
            f"{surplus.last_day}."
        )
    if not differences.damaged and not differences.surplus:
        found.append("Every counter is unchanged.")
    found += report.losses
    done = "The new counters are live." if report.replaced else "Nothing was replaced."
    return [*found, f"Records read: {report.records:,}. {done}"]


def _describe(change: Change) -> str:
    return f"{change.setting}, from {show_value(change, change.was)} to {show_value(change, change.now)}"
