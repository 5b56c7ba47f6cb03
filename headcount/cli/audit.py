"""`headcount audit`: compares the counters with the log."""

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
    repair: Annotated[bool, typer.Option("--repair", help="Add missing users to the counters.")] = False,
    json: AsJson = False,
) -> None:
    """Read the log again up to the checkpoints and find damaged or missing counters.

    Workers and API may keep running. Without --repair the log is counted into separate counters, which
    doubles the memory used in Redis until the audit ends; existing counters are not changed. With --repair it
    is counted into the existing counters, which changes only those that lack users. Records that the log no
    longer holds can't be checked.

    Exit code: 0 if every counter is complete or was repaired, 1 if one is damaged, 3 if no verdict
    was possible.

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
        typer.echo(f"Damaged counters: {damaged:,}. To repair them: headcount audit --repair")
    else:
        typer.echo("Every counter matches the log.")
    typer.echo(f"Records read: {report.records:,}.")


def _row(damage: Damage) -> tuple[str, str, str, str]:
    period = str(damage.day) if damage.bucket is None else f"15 minutes from {instant(damage.bucket)}"
    return damage.workspace_id, period, damage.state, "repaired" if damage.repaired else "unchanged"


def _explain(surplus: Surplus) -> str:
    return (
        f"Counters with users who are not in the records read: {surplus.counters:,}, from "
        f"{surplus.first_day} to {surplus.last_day}. This is expected if retention removed records or a "
        "worker was counting during the audit."
    )
