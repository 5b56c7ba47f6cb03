"""The table: one row a fault, for a person and for a program."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

HEADINGS: Final = (
    "fault",
    "what was done",
    "times",
    "the API meanwhile",
    "slowest answer",
    "exact again",
    "events",
    "lost",
    "counted twice",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What was seen of a fault.

    `exact_again` is in seconds: from when nothing was broken any more until an answer held every event
    published before that. `events` were acknowledged by Kafka meanwhile.
    """

    fault: str
    done: str
    times: int
    said: str
    slowest_answer: float
    exact_again: float
    lost: int
    twice: int
    events: int
    seed: int


def cells(row: Row) -> tuple[str, ...]:
    """Lay a row out under the headings."""
    return (
        row.fault,
        row.done,
        str(row.times),
        row.said,
        f"{row.slowest_answer:.2f} s",
        f"{row.exact_again:.1f} s",
        str(row.events),
        str(row.lost),
        str(row.twice),
    )


def print_table(rows: Sequence[Row], console: Console) -> None:
    """Show the rows to a person."""
    table = Table(*HEADINGS, show_lines=True)
    for row in rows:
        table.add_row(*cells(row))
    console.print(table)


def write_rows(rows: Sequence[Row], path: Path) -> None:
    """Write the rows as JSON."""
    path.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")


def markdown(rows: Sequence[Row]) -> str:
    """Lay the rows out as a table of a Markdown document."""
    lines = [HEADINGS, ("---",) * len(HEADINGS), *map(cells, rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
