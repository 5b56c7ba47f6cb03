"""Polls a condition that has no event to wait for."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

_INTERVAL_SECONDS: Final = 0.02


async def becomes_true(condition: Callable[[], bool], within_seconds: float) -> bool:
    """Poll until the condition holds; return False if it does not hold in time."""
    deadline = time.monotonic() + within_seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(_INTERVAL_SECONDS)
    return True
