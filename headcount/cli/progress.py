"""Shows the progress of a long command on stderr: a bar on a terminal, a line every 10 s elsewhere."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from headcount.ops.log_scope import CountedEvents

REFRESH_SECONDS: Final = 0.2
LINE_SECONDS: Final = 10.0


def reading(events: CountedEvents) -> AbstractAsyncContextManager[None]:
    """Show the progress of reading the log for the duration of the block."""
    return shown(lambda: events.done, events.total, unit="records")


@asynccontextmanager
async def shown(done: Callable[[], int], total: int, *, unit: str) -> AsyncIterator[None]:
    """Show the progress and the remaining time for the duration of the block."""
    console = Console(stderr=True)
    following = asyncio.create_task(
        # Rich's is_terminal is true for a pipe with FORCE_COLOR.
        _bar(console, done, total, unit) if sys.stderr.isatty() else _lines(done, total, unit)
    )
    try:
        yield
    finally:
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following


async def _bar(console: Console, done: Callable[[], int], total: int, unit: str) -> None:
    loop = asyncio.get_running_loop()
    start = loop.time()
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(f"{{task.fields[rate]:,.0f}} {unit}/s"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=total, rate=0.0)
        try:
            while True:
                await asyncio.sleep(REFRESH_SECONDS)
                rate = done() / (loop.time() - start)
                progress.update(task, completed=done(), rate=rate)
        finally:
            progress.update(task, completed=done())


async def _lines(done: Callable[[], int], total: int, unit: str) -> None:
    while True:
        await asyncio.sleep(LINE_SECONDS)
        typer.echo(f"{done():,} of {total:,} {unit}", err=True)
