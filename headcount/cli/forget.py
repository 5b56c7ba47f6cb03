"""`headcount forget` and `headcount remember`: whether a person is counted."""

from dataclasses import dataclass
from typing import Annotated

import typer

from headcount.cli.execution import ask, confirm
from headcount.cli.output import AsJson, print_json
from headcount.cli.rebuild import replace, show_report
from headcount.cli.verify import parse_workspace
from headcount.ops.rebuild import forgetting
from headcount.ops.rebuild.forgetting import Forgotten, Found, Remembered
from headcount.ops.rebuild.report import Report, refuse_loss

Workspace = Annotated[str, typer.Option(parser=parse_workspace, metavar="ID", help="The workspace.")]
User = Annotated[str, typer.Option(metavar="ID", help="The user, as events name them.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What was done at once, and the rebuild that followed, None where none was needed or wanted."""

    forgotten: Forgotten
    rebuild: Report | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Return:
    """As `Outcome`, of a person who is remembered."""

    remembered: Remembered
    rebuild: Report | None


def forget(
    *,
    workspace: Workspace,
    user: User,
    rebuild: Annotated[
        bool, typer.Option("--rebuild/--no-rebuild", help="Count estimates anew, if the workspace has any.")
    ] = True,
    dry_run: DryRun = False,
    yes: Yes = False,
    json: AsJson = False,
) -> None:
    """Forget a user: they are in no counter any more, and no replay or rebuild brings them back.

    Their pseudonym, never the id, is kept in Redis and in the topic `<KAFKA_TOPIC>.erasures`, from which a
    Redis that loses it gets it back. Exact counters are cleaned at once. An estimate does not tell who is in
    it: if the workspace has any, the log is counted anew, see `headcount rebuild`. Events stay in the log
    until Kafka's retention ends them. `headcount remember` takes it back.

    Example: `headcount forget --workspace developers --user anna`
    """
    found = ask(lambda config: forgetting.look(config, workspace, user))
    if dry_run:
        _show_found(found, json=json)
        return
    if not yes:
        confirm(f"{_describe(found)}\nForget this user?")
    forgotten = ask(lambda config: forgetting.forget(config, workspace, user))
    if not json:
        typer.echo(_describe_done(found, forgotten))
    report = _rebuilt() if forgotten.estimates and rebuild else None
    if json:
        print_json(Outcome(forgotten=forgotten, rebuild=report))
    elif report:
        show_report(report, json=False)


def remember(
    *,
    workspace: Workspace,
    user: User,
    rebuild: Annotated[
        bool, typer.Option("--rebuild/--no-rebuild", help="Count the log anew, for the events so far.")
    ] = True,
    yes: Yes = False,
    json: AsJson = False,
) -> None:
    """Take back `headcount forget`: a user is counted again.

    Events from now on are counted at once. Those so far are counted by a rebuild, as far as the log still has
    them.

    Example: `headcount remember --workspace developers --user anna`
    """
    if not yes:
        confirm(f"Events of this user will be counted again in {workspace}.\nRemember this user?")
    remembered = ask(lambda config: forgetting.remember(config, workspace, user))
    if not json:
        typer.echo(_describe_return(remembered))
    report = _rebuilt() if remembered.known and rebuild else None
    if json:
        print_json(Return(remembered=remembered, rebuild=report))
    elif report:
        show_report(report, json=False)


def _rebuilt() -> Report:
    return ask(lambda config: replace(config, refuse_loss))


def _show_found(found: Found, *, json: bool) -> None:
    if json:
        print_json(found)
    else:
        typer.echo(f"{_describe(found)} Nothing was changed.")


def _describe(found: Found) -> str:
    if found.counters:
        text = f"The user is in {found.counters:,} exact counters of {found.workspace_id}."
    else:
        text = f"Nobody of that id is in an exact counter of {found.workspace_id}."
    if found.estimates:
        text += f" It has {found.estimates:,} estimates too, which do not say who is in them."
    return text


def _describe_done(found: Found, forgotten: Forgotten) -> str:
    removed = max(found.counters, forgotten.removed)  # a worker may be quicker than the command
    done = f"Recorded; removed from {removed:,} exact counters of {forgotten.workspace_id}."
    if not removed:
        done = f"Recorded; nobody of that id was in an exact counter of {forgotten.workspace_id}."
    if forgotten.estimates:
        done += f" It has {forgotten.estimates:,} estimates too: only a rebuild takes anybody out of them."
    return done


def _describe_return(remembered: Remembered) -> str:
    if not remembered.known:
        return f"Nobody of that id was forgotten in {remembered.workspace_id}: nothing was changed."
    return f"Recorded; events from now on are counted in {remembered.workspace_id}."
