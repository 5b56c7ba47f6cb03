"""`headcount status`: shows how far the projection is behind the log."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Final

import typer

from headcount.cli.execution import FAILED, ask
from headcount.cli.output import AsJson, counted, instant, print_json, print_table
from headcount.ops.status import ExpiredStatus, Status, read_status
from headcount.signals import cancelled_by_signals
from headcount.wiring import Config
from ingest.errors import UnavailableError
from projector.activity_filter import ActivityFilter

WATCH_SECONDS: Final = 2.0


def status(
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Exit with 1 if there is any concern, for use in probes.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help=f"Refresh every {WATCH_SECONDS:.0f} seconds until Ctrl-C.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Show the checkpoint, lag and as-of of each partition, and which activity is counted.

    As-of is the instant up to which every event is counted. Concerns are listed below the table: no worker,
    counters that lack records or are more than 10 seconds behind, gaps that are not acknowledged, and, of the
    last 24 hours, writes that Redis lost and events that were too old to be counted.

    Exit code: 0 if the state could be read, 1 if not; with --check also 1 if there is any concern.

    Example: `headcount status --check --json`
    """
    show = print_json if json else _print
    if watch:
        if check:
            raise typer.BadParameter("--check and --watch can't be used together")
        ask(lambda config: cancelled_by_signals(_watch(config, show), lambda _stopping: None))
        return
    found = ask(read_status)
    show(found)
    if check and found.concerns:
        raise typer.Exit(FAILED)


def summary(found: Status) -> str:
    """Return the status in one sentence."""
    workers = f"workers: {found.workers}"
    if found.as_of is None or found.as_of_age_seconds is None:
        return (
            f"{found.topic}: catching up; lag {found.lag if found.lag is not None else 'unknown'}; {workers}."
        )
    as_of = f"{instant(found.as_of)}, {found.as_of_age_seconds:,.0f} s ago,"
    return f"{found.topic}: every event up to {as_of} is counted; lag {found.lag}; {workers}."


def describe_filter(found: Status) -> str:
    """Return which activity is counted."""
    return str(
        ActivityFilter(
            ignored_event_types=frozenset(found.ignored_event_types),
            ignored_user_types=frozenset(found.ignored_user_types),
        )
    )


def describe_expired(expired: Sequence[ExpiredStatus]) -> str:
    """Return the number of events older than the retention, by cause."""
    causes = ", ".join(f"{each.cause} {each.events:,}" for each in expired)
    last_at = instant(max(each.last_at for each in expired))
    number = sum(each.events for each in expired)
    events = counted(number, "event")
    return (
        f"Not counted because they are older than the retention: {events} ({causes}), the last at {last_at}."
    )


async def _watch(config: Config, show: Callable[[Status], None]) -> None:
    while True:
        try:
            found = await read_status(config)
        except UnavailableError as error:
            _clear()
            typer.echo(f"headcount: {error}", err=True)
        else:
            _clear()
            show(found)
        await asyncio.sleep(WATCH_SECONDS)


def _clear() -> None:
    if sys.stdout.isatty():
        typer.echo("\x1b[H\x1b[2J", nl=False)


def _print(found: Status) -> None:
    print_table(
        ("partition", "checkpoint", "end", "lag", "as of"),
        [(part.number, part.checkpoint, part.end, part.lag, part.as_of) for part in found.partitions],
    )
    typer.echo(summary(found))
    typer.echo(describe_filter(found))
    if found.expired:
        typer.echo(describe_expired(found.expired))
    for concern in found.concerns:
        typer.echo(f"! {concern}")
