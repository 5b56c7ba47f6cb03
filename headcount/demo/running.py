"""Runs a service for the duration of a block."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final

STOP_SECONDS: Final = 2.0


@asynccontextmanager
async def running(serve: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """Run a service for the duration of the block; it runs until its event is set.

    If the service fails, the block is cancelled and an exception group contains the failure.
    """
    stopping = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        part = group.create_task(serve(stopping))
        try:
            yield
        finally:
            stopping.set()
            await asyncio.wait({part}, timeout=STOP_SECONDS)
            part.cancel()  # if it did not stop in time
