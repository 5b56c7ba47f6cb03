"""Prints results as tables or as JSON."""

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Final

import msgspec
import orjson
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]

NOTHING: Final = "-"
PROSE_WIDTH: Final = 30
"""A column with longer cells that contain spaces wraps; this is its minimum width."""
COLUMN_GAP: Final = 2


def print_json(document: object) -> None:
    """Print JSON, with instants in RFC 3339."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z
    typer.echo(orjson.dumps(document, default=_plain, option=options))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows below the names of their columns, if there are any; None is printed as a dash.

    A pipe gets one line per row, with tabs between the columns. On a terminal only columns of prose wrap; a
    table that is too wide is printed as one block per row, so that no value is broken.
    """
    cells = [[_cell(value) for value in row] for row in rows]
    if not sys.stdout.isatty():
        for line in [columns, *cells] if any(columns) else cells:
            typer.echo("\t".join(" ".join(cell.split()) for cell in line))
        return
    console = Console(highlight=False)
    is_prose = [_is_prose(column) for column in zip(*cells, strict=True)] or [False] * len(columns)
    if any(columns) and _narrowest(columns, cells, is_prose) > console.width:
        _print_blocks(console, columns, cells)
        return
    table = Table(box=None, pad_edge=False, show_header=any(columns))
    for name, wraps in zip(columns, is_prose, strict=True):
        table.add_column(name, overflow="fold", no_wrap=not wraps and any(columns))
    for row in cells:
        table.add_row(*map(Text, row))  # a str would be parsed as Rich markup
    console.print(table)


def _is_prose(cells: Sequence[str]) -> bool:
    return any(len(cell) > PROSE_WIDTH and " " in cell for cell in cells)


def _narrowest(columns: Sequence[str], cells: Sequence[Sequence[str]], is_prose: Sequence[bool]) -> int:
    """Return the minimum width of the table."""
    widths = (
        PROSE_WIDTH if wraps else max(map(len, values))
        for values, wraps in zip(zip(columns, *cells, strict=True), is_prose, strict=True)
    )
    return sum(widths) + COLUMN_GAP * (len(columns) - 1)


def _print_blocks(console: Console, columns: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    for number, row in enumerate(cells):
        if number:
            console.print()
        block = Table(box=None, pad_edge=False, show_header=False)
        block.add_column(no_wrap=True, style="bold")
        block.add_column(overflow="fold")  # never truncated, so that it can be copied
        for name, cell in zip(columns, row, strict=True):
            block.add_row(name, Text(cell))
        console.print(block)


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural unless the number is 1."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def instant(moment: datetime) -> str:
    """Format an instant in UTC, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _cell(value: object) -> str:
    if value is None:
        return NOTHING
    return instant(value) if isinstance(value, datetime) else str(value)


def _plain(value: object) -> object:
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.asdict(value)
    raise TypeError(type(value).__name__)
