"""`headcount forget` and `headcount remember`: erase a user and undo the erasure."""

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
User = Annotated[str, typer.Option(metavar="ID", help="The user id in the events.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The immediate effect, and the rebuild that followed, None if there was none."""

    forgotten: Forgotten
    rebuild: Report | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Return:
    """Like `Outcome`, for a remembered user."""

    remembered: Remembered
    rebuild: Report | None


def forget(
    *,
    workspace: Workspace,
    user: User,
    rebuild: Annotated[
        bool,
        typer.Option("--rebuild/--no-rebuild", help="Rebuild the counters if the workspace has estimates."),
    ] = True,
    dry_run: DryRun = False,
    yes: Yes = False,
    json: AsJson = False,
) -> None:
    """Remove a user from all counters; no replay or rebuild restores them.

    The pseudonym of the user, never the id, is recorded in Redis and in the topic `<KAFKA_TOPIC>.erasures`,
    from which it is restored if Redis loses it. Exact counters are updated at once. Users can't be removed
    from an estimate: if the workspace has any, the log is counted again, see `headcount rebuild`. Events stay
    in the log until Kafka's retention deletes them. `headcount remember` undoes this command.

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
        bool, typer.Option("--rebuild/--no-rebuild", help="Rebuild the counters to include past events.")
    ] = True,
    yes: Yes = False,
    json: AsJson = False,
) -> None:
    """Undo `headcount forget`: the user is counted again.

    Events from now on are counted at once. Past events are counted by a rebuild, if the log still holds them.

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
        text = f"The user is in no exact counter of {found.workspace_id}."
    if found.estimates:
        text += f" The workspace also has {found.estimates:,} estimates, which do not reveal their users."
    return text


def _describe_done(found: Found, forgotten: Forgotten) -> str:
    removed = max(found.counters, forgotten.removed)  # a worker may remove users before the command does
    done = f"Recorded; removed from {removed:,} exact counters of {forgotten.workspace_id}."
    if not removed:
        done = f"Recorded; the user was in no exact counter of {forgotten.workspace_id}."
    if forgotten.estimates:
        done += f" The workspace also has {forgotten.estimates:,} estimates: only a rebuild removes the user."
    return done


def _describe_return(remembered: Remembered) -> str:
    if not remembered.known:
        return f"The user is not forgotten in {remembered.workspace_id}: nothing was changed."
    return f"Recorded; events from now on are counted in {remembered.workspace_id}."
