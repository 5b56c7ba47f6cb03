"""A part that runs beside others: started with its block, stopped with it, and no block without it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final

STOP_SECONDS: Final = 2.0


@asynccontextmanager
async def running(serve: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """Run a part, which goes on until its event is set, as long as the block.

    If the part fails, the block is cancelled, and an exception group carries the failure.
    """
    stopping = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        part = group.create_task(serve(stopping))
        try:
            yield
        finally:
            stopping.set()
            await asyncio.wait({part}, timeout=STOP_SECONDS)
            part.cancel()  # one that did not stop in time
