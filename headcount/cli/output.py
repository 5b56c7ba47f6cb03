"""How answers are printed: as tables for people, as JSON for scripts."""

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
PIPE_WIDTH: Final = 1_000
"""Wider than any row: there is no terminal whose lines would break."""


def print_json(document: object) -> None:
    """Print a document, a dataclass or a list of them, with instants in RFC 3339."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z
    typer.echo(orjson.dumps(document, default=_plain, option=options))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under their names, if there are any names; None is shown as nothing."""
    table = Table(box=None, pad_edge=False, show_header=any(columns))
    for name in columns:
        table.add_column(name, overflow="fold")  # what is cut off could be what is to be copied
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row))  # a str would be read as Rich's markup
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    console.print(table)


def instant(moment: datetime) -> str:
    """Render an instant to the second, in UTC."""
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
