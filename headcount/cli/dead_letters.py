"""`headcount dead-letters`: lists, shows and redrives records that are not events."""

import re
from datetime import timedelta
from typing import Annotated, get_args

import typer

from headcount.cli.execution import ask
from headcount.cli.flags import CommandGroup
from headcount.cli.letters import (
    document,
    print_letter,
    print_letter_json,
    print_outcome,
    print_overview,
    print_value,
    records_of,
)
from headcount.cli.output import AsJson, print_json
from headcount.cli.progress import shown
from headcount.cli.tokens import parse_duration
from headcount.ops.dead_letters.letters import Place
from headcount.ops.dead_letters.overview import Query, find_letter, list_letters
from headcount.ops.dead_letters.redrive import Outcome, open_redrive
from headcount.ops.dead_letters.redrive_plan import MAX_REDRIVES, Plan, Selection, plan_redrive
from headcount.wiring import Config, utc_now
from ingest.events.event import DeadLetterReason

_match_place = re.compile(r"(\d{1,9}):(\d{1,18})", re.ASCII).fullmatch

app = CommandGroup(
    no_args_is_help=True,
    help="List, show and redrive records that are not events; see docs/how-to/dead-letters.md.\n\n"
    "Example: headcount dead-letters list --reason not-json",
)


def parse_place(text: str) -> Place:
    """Parse the position of a letter, such as 0:42."""
    form = _match_place(text)
    if form is None:
        raise typer.BadParameter("expected PARTITION:OFFSET, such as 0:42, as shown by `dead-letters list`")
    return Place(int(form[1]), int(form[2]))


def parse_reason(text: str) -> str:
    """Parse a reason."""
    reasons = get_args(DeadLetterReason)
    if text not in reasons:
        raise typer.BadParameter(f"expected one of {', '.join(reasons)}")
    return text


Reason = Annotated[
    str | None, typer.Option(parser=parse_reason, metavar="REASON", help="Only letters with this reason.")
]
OfLetter = Annotated[
    Place,
    typer.Argument(parser=parse_place, metavar="PARTITION:OFFSET", help="As shown by dead-letters list."),
]


@app.command(name="list")
def list_(
    *,
    reason: Reason = None,
    limit: Annotated[int, typer.Option(min=0, max=100_000, help="The number of letters to show.")] = 20,
    since: Annotated[
        timedelta | None,
        typer.Option(
            parser=parse_duration,
            metavar="DURATION",
            help="Only records received within this time, such as 1d.",
        ),
    ] = None,
    json: AsJson = False,
) -> None:
    """Count the dead letters by reason and show the newest ones.

    A record that was dead-lettered more than once, because the log was read again, is shown once.

    Example: `headcount dead-letters list --reason wrong-form --since 1d`
    """
    query = Query(reason=reason, since=utc_now() - since if since else None, limit=limit)
    found = ask(lambda config: list_letters(config, query))
    if json:
        print_json(found)
    elif found.reasons:
        print_overview(found)
    else:
        typer.echo("No dead letters.")


@app.command()
def show(
    letter: OfLetter,
    *,
    raw: Annotated[bool, typer.Option("--raw", help="Write only the value, unchanged.")] = False,
    json: AsJson = False,
) -> None:
    """Show a dead letter: the error, the headers of the record and its value.

    The beginning of the value is shown, as text if it is UTF-8, otherwise in hexadecimal digits.

    Example: `headcount dead-letters show 0:42 --raw > record`
    """
    if raw and json:
        raise typer.BadParameter("--raw and --json can't be used together")
    found = ask(lambda config: find_letter(config, letter))
    if raw:
        print_value(found)
    elif json:
        print_letter_json(found)
    else:
        print_letter(found)


@app.command()
def redrive(  # noqa: PLR0913 - an option each
    letters: Annotated[
        list[Place] | None,
        typer.Argument(
            parser=parse_place, metavar="[PARTITION:OFFSET]...", help="Letters as shown by dead-letters list."
        ),
    ] = None,
    *,
    reason: Reason = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All letters that were not redriven yet.")
    ] = False,
    force: Annotated[
        bool,
        typer.Option("--force", help=f"Also letters that were redriven before, even {MAX_REDRIVES} times."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show how many records would be published.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    json: AsJson = False,
) -> None:
    """Publish the records of dead letters again, unchanged, so that they are counted.

    Fix the cause first, such as a setting that is too strict or a clock that is behind. A valid event counts
    for the day on which it occurred; a record that is still not an event becomes a dead letter again.

    Example: `headcount dead-letters redrive --reason in-the-future --dry-run`
    """
    if sum((bool(letters), reason is not None, everything)) != 1:
        raise typer.BadParameter("expected one of: positions such as 0:42, --reason REASON, --all")
    selection = Selection(places=frozenset(letters or ()), reason=reason, forced=force)
    plan = ask(lambda config: plan_redrive(config, selection))
    if plan.places and not (dry_run or yes):
        typer.confirm(f"Publish {records_of(plan)} to {plan.topic} again?", abort=True, err=True)
    outcome = ask(lambda config: _redrive(config, plan)) if plan.places and not dry_run else None
    if json:
        print_json(document(plan, outcome))
    else:
        print_outcome(plan, outcome)


async def _redrive(config: Config, plan: Plan) -> Outcome:
    total = len(plan.places)
    async with open_redrive(config) as running, shown(lambda: running.done, total, unit="letters"):
        return await running.run(plan.places)
