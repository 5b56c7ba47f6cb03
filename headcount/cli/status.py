"""`headcount status`: how far the projection is behind the log."""

import typer

from headcount.cli.execution import ask
from headcount.cli.output import AsJson, instant, print_json, print_table
from headcount.status import Status, read_status


def status(*, json: AsJson = False) -> None:
    """Show each partition's checkpoint, lag and as-of: the instant up to which every event is counted.

    Example: `headcount status --json`
    """
    found = ask(read_status)
    if json:
        print_json(found)
        return
    print_table(
        ("partition", "checkpoint", "end", "lag", "as of"),
        [(part.number, part.checkpoint, part.end, part.lag, part.as_of) for part in found.partitions],
    )
    typer.echo(summary(found))


def summary(found: Status) -> str:
    """Put the whole into one sentence."""
    workers = "no worker is running" if not found.workers else f"workers: {found.workers}"
    if found.as_of is None:
        return (
            f"{found.topic}: catching up; lag {found.lag if found.lag is not None else 'unknown'}; {workers}."
        )
    return f"{found.topic}: every event up to {instant(found.as_of)} is counted; lag {found.lag}; {workers}."
