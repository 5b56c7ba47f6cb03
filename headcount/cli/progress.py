"""The progress of a replay on stderr: a bar on a terminal, now and then a line elsewhere."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from headcount.replay import Sink

REFRESH_SECONDS: Final = 0.2
LINE_SECONDS: Final = 10.0


@asynccontextmanager
async def shown(sink: Sink, total: int) -> AsyncIterator[None]:
    """Show how many of the events the sink has acknowledged, until the block is left."""
    console = Console(stderr=True)
    following = asyncio.create_task(
        _bar(console, sink, total) if console.is_terminal else _lines(sink, total)
    )
    try:
        yield
    finally:
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following


async def _bar(console: Console, sink: Sink, total: int) -> None:
    loop = asyncio.get_running_loop()
    start = loop.time()
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:,.0f} events/s"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=total, rate=0.0)
        try:
            while True:
                await asyncio.sleep(REFRESH_SECONDS)
                rate = sink.acknowledged / (loop.time() - start)
                progress.update(task, completed=sink.acknowledged, rate=rate)
        finally:
            progress.update(task, completed=sink.acknowledged)


async def _lines(sink: Sink, total: int) -> None:
    while True:
        await asyncio.sleep(LINE_SECONDS)
        typer.echo(f"{sink.acknowledged:,} of {total:,} events", err=True)
