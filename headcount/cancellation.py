"""The race of a start against the stop: who is asked to end does not wait for what is not there yet."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from ingest.errors import UnavailableError

T = TypeVar("T")


async def cancel_on_stop(stopping: asyncio.Event, work: Coroutine[Any, Any, T]) -> T:
    """Return what the work returns; raises `UnavailableError` where the stop is asked for before.

    The work is cancelled then, and has ended, however long its cleaning up takes.
    """
    task, stop = asyncio.create_task(work), asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stop.cancel()
        task.cancel()  # which is nothing to one that is done
    await asyncio.wait({task})
    if task.cancelled():
        raise UnavailableError("the stop came before the start was done")
    return task.result()
