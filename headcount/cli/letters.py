"""How many dead letters are shown at once: as a list, and as what became of them."""

from typing import Final

import typer

from headcount.cli.letter import printable
from headcount.cli.output import counted, print_table
from headcount.ops.dead_letters.overview import Overview
from headcount.ops.dead_letters.redrive import Outcome
from headcount.ops.dead_letters.redrive_plan import MAX_REDRIVES, Plan

ERROR_CHARACTERS: Final = 80


def print_overview(found: Overview) -> None:
    print_table(
        ("reason", "letters", "redriven"),
        [(printable(each.reason), each.letters, each.redriven) for each in found.reasons],
    )
    if not found.letters:
        return
    typer.echo()
    print_table(
        ("letter", "source", "reason", "came in", "bytes", "redriven", "error"),
        [
            (
                line.letter,
                line.source,
                printable(line.reason),
                line.at,
                line.value_bytes,
                "yes" if line.redriven else None,
                printable(line.error[:ERROR_CHARACTERS]),
            )
            for line in found.letters
        ],
    )


def print_outcome(plan: Plan, outcome: Outcome | None) -> None:
    if plan.redriven_before:
        typer.echo(
            f"Left out, as redriven before: {counted(plan.redriven_before, 'record')}; --force takes them in."
        )
    if plan.came_back_too_often:
        often = counted(plan.came_back_too_often, "record")
        typer.echo(f"Left out, as back {MAX_REDRIVES} times: {often}; --force takes them in.")
    if outcome is None:
        typer.echo(
            f"{records_of(plan)} would be published again." if plan.places else "There is none to redrive."
        )
        return
    for place, cause in outcome.left_out.items():
        typer.echo(f"{place}: {cause}", err=True)
    typer.echo(f"Published {outcome.redriven:,} of {records_of(plan)} to {plan.topic} again.")


def document(plan: Plan, outcome: Outcome | None) -> dict[str, object]:
    return {
        "topic": plan.topic,
        "chosen": len(plan.places),
        "redriven_before": plan.redriven_before,
        "came_back_too_often": plan.came_back_too_often,
        "redriven": outcome.redriven if outcome else 0,
        "left_out": outcome.left_out if outcome else {},
    }


def records_of(plan: Plan) -> str:
    return counted(len(plan.places), "record")
