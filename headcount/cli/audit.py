"""`headcount audit`: whether the counters hold what the log holds."""

from typing import Annotated, Final

import typer

from headcount.cli.execution import ask, unknown_if_failed
from headcount.cli.output import AsJson, instant, print_json, print_table
from headcount.cli.progress import reading
from headcount.ops.audit.audit import open_audit
from headcount.ops.audit.report import Damage, Report, Surplus
from headcount.wiring import Config

DAMAGED: Final = 1


def audit(
    *,
    repair: Annotated[
        bool, typer.Option("--repair", help="Add what is lacking to the counters themselves.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Read the log once more, up to the checkpoints, and find counters that are damaged or missing.

    Workers and API may go on. Without --repair no counter is touched: the log is projected once more beside
    them, which takes as much of Redis' memory as they do until it ends. With --repair it is counted into them
    again, which changes only those that lack somebody. What the log no longer holds can't be judged.

    Exit code: 0 if every counter is whole (or was made so), 1 if one is damaged, 3 if that could not be told.

    Example: `headcount audit || headcount audit --repair`
    """
    with unknown_if_failed():
        report = ask(_repair if repair else _compare)
    if json:
        print_json(report)
    else:
        _print(report)
    if not report.whole:
        raise typer.Exit(DAMAGED)


async def _compare(config: Config) -> Report:
    async with open_audit(config) as audit, reading(audit.events):
        return await audit.compare()


async def _repair(config: Config) -> Report:
    async with open_audit(config) as audit, reading(audit.events):
        return await audit.repair()


def _print(report: Report) -> None:
    if report.damaged:
        print_table(("workspace", "counter of", "found", "now"), map(_row, report.damaged))
        typer.echo()
    if report.surplus:
        typer.echo(_explain(report.surplus))
    damaged = sum(not damage.repaired for damage in report.damaged)
    if damaged:
        typer.echo(f"Damaged counters: {damaged:,}. To add what they lack: headcount audit --repair")
    else:
        typer.echo("Every counter holds what the log holds.")
    typer.echo(f"Records read: {report.records:,}.")


def _row(damage: Damage) -> tuple[str, str, str, str]:
    period = str(damage.day) if damage.bucket is None else f"15 minutes from {instant(damage.bucket)}"
    return damage.workspace_id, period, damage.state, "whole" if damage.repaired else "the same"


def _explain(surplus: Surplus) -> str:
    return (
        f"Counters that hold people who are not in the records read: {surplus.counters:,}, of "
        f"{surplus.first_day} to {surplus.last_day}. Expect that where retention removed records, and "
        "where a worker went on counting meanwhile."
    )
