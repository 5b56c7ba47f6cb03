"""`headcount verify`: compares the answers of the API with an exact recount of the log."""

from typing import Annotated, Final

import typer

from headcount.cli.execution import UNKNOWN, ask, unknown_if_failed
from headcount.cli.output import NOTHING, AsJson, instant, print_json, print_table
from headcount.cli.progress import reading
from headcount.ops.verify.report import STANDARD_ERRORS, Day, Report
from headcount.ops.verify.verification import open_verification
from headcount.wiring import Config
from ingest.events.event import is_workspace_id
from projector.views.daily import ESTIMATE_STANDARD_ERROR

OUTSIDE: Final = 1
MOST_DAYS: Final = 36_500

_WITHIN: Final = {True: "yes", False: "NO", None: "unknown"}


def parse_workspace(text: str) -> str:
    """Parse a workspace id."""
    if not is_workspace_id(text):
        raise typer.BadParameter("expected 1 to 64 characters from A-Z a-z 0-9 . _ -")
    return text


def verify(
    *,
    workspace: Annotated[
        str, typer.Option(parser=parse_workspace, metavar="ID", help="The workspace to recount.")
    ],
    days: Annotated[int, typer.Option(min=1, max=MOST_DAYS, help="The number of days, ending today.")] = 8,
    json: AsJson = False,
) -> None:
    """Recount the days of a workspace exactly from the log and compare with the answers of the API.

    Workers and API may keep running: both counts are taken as of the start of the command. The whole log is
    read. Users are counted on disk, in the folder for temporary files (or SQLITE_TMPDIR); memory use is
    constant.
    The bound is 0 for an exact counter and 3 standard errors for an estimate.

    Exit code: 0 if every answer is within its bound, 1 if one is not, 3 if no verdict was possible.

    Example: `headcount verify --workspace developers --days 8`
    """
    with unknown_if_failed():
        report = ask(lambda config: _verify(config, workspace, days))
    if json:
        print_json(report)
    else:
        _print(report)
    if not report.within:
        raise typer.Exit(UNKNOWN if report.within is None else OUTSIDE)


async def _verify(config: Config, workspace_id: str, number_of_days: int) -> Report:
    async with (
        open_verification(config, workspace_id, number_of_days) as verification,
        reading(verification.events),
    ):
        return await verification.report()


def _print(report: Report) -> None:
    print_table(("day", "exact", "answered", "error", "error %", "bound", "within"), map(_row, report.days))
    typer.echo()
    for sentence in _sentences(report):
        typer.echo(sentence)


def _row(day: Day) -> tuple[str, ...]:
    return (
        day.day.isoformat(),
        f"{day.exact:,}",
        f"{day.answered:,}",
        f"{day.error:+,}" if day.error else "0",
        NOTHING if day.error_percent is None else f"{day.error_percent:.2f} %",
        f"{day.bound_percent:.2f} %" if day.bound_percent else "exact",
        _WITHIN[day.within],
    )


def _sentences(report: Report) -> list[str]:
    found = [_summary(report)]
    if any(day.bound_percent for day in report.days):
        error = f"{100 * ESTIMATE_STANDARD_ERROR:.2f} %"
        found.append(f"The bound of an estimate is {STANDARD_ERRORS} standard errors of {error}.")
    if not any(day.exact or day.answered for day in report.days):
        found.append(f"No activity in workspace {report.workspace_id} on these days.")
    if report.within is None:
        found.append(f"The log may have lost events of days up to {report.lost_until}.")
    found.append(
        f"Time zone of the days: {report.time_zone}; every event up to {instant(report.as_of)} is counted."
    )
    found.append(f"Records read: {report.records:,}.")
    return found


def _summary(report: Report) -> str:
    outside = sum(day.within is False for day in report.days)
    if outside:
        return f"Answers outside their bound: {outside:,}. To find damaged counters: headcount audit"
    if report.within is None:
        return "No answer is too low; some are higher than the log confirms."
    return "Every answer is within its bound."
