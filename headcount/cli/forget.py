"""`headcount forget`: a person is not to be counted any more, and is taken out of what was counted."""

from dataclasses import dataclass
from typing import Annotated

import typer

from headcount.cli.execution import ask
from headcount.cli.output import AsJson, print_json
from headcount.cli.rebuild import Yes, replace, show_report
from headcount.cli.verify import parse_workspace
from headcount.ops.rebuild.forgetting import Forgotten
from headcount.ops.rebuild.forgetting import forget as forget_user
from headcount.ops.rebuild.report import Report, accept_loss, refuse_loss


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What was done at once, and the rebuild that followed, None where none was needed or wanted."""

    forgotten: Forgotten
    rebuild: Report | None


def forget(
    *,
    workspace: Annotated[str, typer.Option(parser=parse_workspace, metavar="ID", help="The workspace.")],
    user: Annotated[str, typer.Option(metavar="ID", help="The user, as events name them.")],
    rebuild: Annotated[
        bool, typer.Option("--rebuild/--no-rebuild", help="Count estimates anew, if the workspace has any.")
    ] = True,
    yes: Yes = False,
    json: AsJson = False,
) -> None:
    """Forget a user: they are in no counter any more, and no replay or rebuild brings them back.

    Redis keeps their pseudonym, never the id, so as to leave them out. Exact counters are cleaned at once.
    An estimate does not tell who is in it: if the workspace has any, the log is counted anew, see
    `headcount rebuild`.

    Example: `headcount forget --workspace developers --user anna`
    """
    forgotten = ask(lambda config: forget_user(config, workspace, user))
    if not json:
        typer.echo(_tell(forgotten))
    report = None
    if forgotten.estimates and rebuild:
        judge = accept_loss if yes else refuse_loss
        report = ask(lambda config: replace(config, judge))
    if json:
        print_json(Outcome(forgotten=forgotten, rebuild=report))
    elif report:
        show_report(report, json=False)


def _tell(forgotten: Forgotten) -> str:
    done = f"Recorded; removed from {forgotten.removed:,} exact counters of {forgotten.workspace_id}."
    if forgotten.estimates:
        done += f" It has {forgotten.estimates:,} estimates too: only a rebuild takes anybody out of them."
    return done
