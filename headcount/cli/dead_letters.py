"""`headcount dead-letters`: what was no event, and how to have it counted after all."""

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
    """Read where a letter is, such as 0:42."""
    form = _match_place(text)
    if form is None:
        raise typer.BadParameter("wanted is PARTITION:OFFSET, such as 0:42, as `dead-letters list` shows it")
    return Place(int(form[1]), int(form[2]))


def parse_reason(text: str) -> str:
    """Read one of the reasons."""
    reasons = get_args(DeadLetterReason)
    if text not in reasons:
        raise typer.BadParameter(f"wanted is one of {', '.join(reasons)}")
    return text


Reason = Annotated[
    str | None, typer.Option(parser=parse_reason, metavar="REASON", help="Only those with this reason.")
]
OfLetter = Annotated[Place, typer.Argument(parser=parse_place, metavar="PARTITION:OFFSET")]


@app.command(name="list")
def list_(
    *,
    reason: Reason = None,
    limit: Annotated[int, typer.Option(min=0, max=100_000, help="How many to show.")] = 20,
    since: Annotated[
        timedelta | None,
        typer.Option(
            parser=parse_duration, metavar="DURATION", help="Only those whose records came in since, like 1d."
        ),
    ] = None,
    json: AsJson = False,
) -> None:
    """Count the dead letters by reason, and show the newest of them.

    A record whose letter was published again, because its log was read again, is shown once.

    Example: `headcount dead-letters list --reason wrong-form --since 1d`
    """
    query = Query(reason=reason, since=utc_now() - since if since else None, limit=limit)
    found = ask(lambda config: list_letters(config, query))
    if json:
        print_json(found)
    elif found.reasons:
        print_overview(found)
    else:
        typer.echo("There are no dead letters.")


@app.command()
def show(
    letter: OfLetter,
    *,
    raw: Annotated[bool, typer.Option("--raw", help="Write only the value, byte for byte.")] = False,
    json: AsJson = False,
) -> None:
    """Show a dead letter: what is wrong with its record, the record's headers and its value.

    The value is shown as text if it is UTF-8, else in hexadecimal digits, and no more than its beginning.

    Example: `headcount dead-letters show 0:42 --raw > record`
    """
    if raw and json:
        raise typer.BadParameter("--raw and --json exclude each other")
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
        list[Place] | None, typer.Argument(parser=parse_place, metavar="[PARTITION:OFFSET]...")
    ] = None,
    *,
    reason: Reason = None,
    everything: Annotated[bool, typer.Option("--all", help="All that were not redriven yet.")] = False,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help=f"Also those redriven already, and those redriven {MAX_REDRIVES} times in vain."
        ),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how many there are.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    json: AsJson = False,
) -> None:
    """Publish the records of dead letters again, as they were, to have them counted.

    Do so once their cause is mended: a setting that was too strict, a clock that was behind. An event that is
    good now counts for the day on which it occurred; what is still no event becomes a dead letter again.

    Example: `headcount dead-letters redrive --reason in-the-future --dry-run`
    """
    if sum((bool(letters), reason is not None, everything)) != 1:
        raise typer.BadParameter("wanted is one of: places like 0:42, --reason REASON, --all")
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
