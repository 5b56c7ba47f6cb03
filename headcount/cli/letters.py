"""Prints dead letters. Their content is untrusted: control characters must never reach a terminal."""

import codecs
from dataclasses import asdict, dataclass
from typing import Final, Literal

import typer

from headcount.cli.output import counted, print_json, print_table
from headcount.ops.dead_letters.letters import Letter
from headcount.ops.dead_letters.overview import Overview
from headcount.ops.dead_letters.redrive import Outcome
from headcount.ops.dead_letters.redrive_plan import MAX_REDRIVES, Plan

VALUE_BYTES: Final = 4_096
HEADER_BYTES: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The beginning of a value, as text if it is UTF-8, otherwise in hexadecimal digits."""

    encoding: Literal["utf-8", "hex"]
    text: str
    bytes_shown: int


def beginning_of(value: bytes, limit: int) -> Shown:
    """Return at most the first `limit` bytes of a value."""
    first = value[:limit]
    try:
        # Incrementally, because the limit may split the last character.
        text = codecs.getincrementaldecoder("utf-8")().decode(first, final=len(first) == len(value))
    except UnicodeDecodeError:
        return Shown(encoding="hex", text=first.hex(), bytes_shown=len(first))
    return Shown(encoding="utf-8", text=text, bytes_shown=len(text.encode()))


def printable(text: str, *, keep: str = "") -> str:
    """Escape all characters that are not printable, except those in `keep`."""
    return "".join(
        each if each.isprintable() or each in keep else each.encode("unicode_escape").decode()
        for each in text
    )


def print_value(letter: Letter) -> None:
    """Write only the value of the letter."""
    typer.echo(letter.value or b"", nl=False)


def print_letter(letter: Letter) -> None:
    """Print a letter as a table."""
    rows = [
        ("letter", str(letter.place)),
        ("source", f"{letter.topic} {letter.origin}"),
        ("received", letter.origin.instant),
        ("reason", printable(letter.reason)),
        ("error", printable(letter.error)),
        ("redriven before", f"{letter.redrives} times" if letter.redrives else "never"),
        ("key", _line(letter.key)),
        *((f"header {printable(name)}", _line(value)) for name, value in letter.headers),
        ("value", _size(letter)),
    ]
    print_table(("", ""), rows)
    if letter.value:
        shown = beginning_of(letter.value, VALUE_BYTES)
        typer.echo(f"\n{printable(shown.text, keep=chr(10) + chr(9))}")
        if shown.bytes_shown < len(letter.value):
            typer.echo(
                f"... truncated; for the whole value: headcount dead-letters show {letter.place} --raw"
            )


def print_letter_json(letter: Letter) -> None:
    """Print a letter as JSON."""
    print_json(
        {
            "letter": str(letter.place),
            "topic": letter.topic,
            "source": str(letter.origin),
            "at": letter.origin.instant,
            "reason": letter.reason,
            "error": letter.error,
            "redrives": letter.redrives,
            "key": _document(letter.key, HEADER_BYTES),
            "headers": [
                {"name": _json_name(name), **(_document(value, HEADER_BYTES) or {})}
                for name, value in letter.headers
            ],
            "value": _document(letter.value, VALUE_BYTES),
            "value_bytes": letter.value_bytes,
            "abridged": letter.whole is not None,
        }
    )


def _json_name(name: str) -> str:
    """Escape bytes that are not UTF-8, which JSON can't represent."""
    return name.encode(errors="backslashreplace").decode()


def _size(letter: Letter) -> str:
    if letter.value is None:
        return "none"
    if letter.whole is None:
        return f"{letter.value_bytes:,} bytes"
    return f"{letter.value_bytes:,} bytes, of which the letter contains the first {len(letter.value):,}"


def _line(value: bytes | None) -> str | None:
    if value is None:
        return None
    shown = beginning_of(value, HEADER_BYTES)
    return f"{printable(shown.text)}{'...' if shown.bytes_shown < len(value) else ''}"


def _document(value: bytes | None, limit: int) -> dict[str, object] | None:
    return None if value is None else {**asdict(beginning_of(value, limit)), "bytes": len(value)}


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
        ("letter", "source", "reason", "received", "bytes", "redriven", "error"),
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
            f"Skipped, redriven before: {counted(plan.redriven_before, 'record')}; --force includes them."
        )
    if plan.came_back_too_often:
        often = counted(plan.came_back_too_often, "record")
        typer.echo(f"Skipped, redriven {MAX_REDRIVES} times: {often}; --force includes them.")
    if outcome is None:
        typer.echo(
            f"{records_of(plan)} would be published again." if plan.places else "No dead letters to redrive."
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
