"""Waiting in tests: for a condition, with a deadline, and never for a time."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable

_INTERVAL_SECONDS = 0.02


async def wait_until(
    condition: Callable[[], Awaitable[object] | object],
    *,
    deadline_seconds: float = 10.0,
    message: str = "the condition held",
) -> None:
    """Ask again and again until the condition, sync or async, is true; fail the test at the deadline.

    `message` completes the sentence "gave up waiting until ...".
    """
    deadline = time.monotonic() + deadline_seconds
    while not await _ask(condition):
        if time.monotonic() > deadline:
            raise AssertionError(f"gave up waiting until {message}, after {deadline_seconds:g} s")
        await asyncio.sleep(_INTERVAL_SECONDS)


async def _ask(condition: Callable[[], Awaitable[object] | object]) -> object:
    answer = condition()
    return await answer if inspect.isawaitable(answer) else answer
