"""The table: one row a fault, for a person and for a program."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
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


def summed(rows: Sequence[Row]) -> list[Row]:
    """Sum up all rows of each fault; times are the worst, and what the API said is of the worst time."""
    faults: dict[str, list[Row]] = {}
    for row in rows:
        faults.setdefault(row.fault, []).append(row)
    return [_sum(faults[fault]) for fault in sorted(faults)]


def _sum(rows: Sequence[Row]) -> Row:
    worst = max(rows, key=lambda row: row.exact_again)
    return replace(
        worst,
        times=sum(row.times for row in rows),
        slowest_answer=max(row.slowest_answer for row in rows),
        events=sum(row.events for row in rows),
        lost=sum(row.lost for row in rows),
        twice=sum(row.twice for row in rows),
    )


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
