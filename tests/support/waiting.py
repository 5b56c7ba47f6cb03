"""Waiting in tests: for a condition, with a deadline that fits the machine, and never for a time.

Each deadline in the tests is what a fast machine needs that has nothing else to do, multiplied by one factor:
the environment's `HEADCOUNT_TEST_SLOWNESS`, or what a short measurement finds where that is not set.
"""

import asyncio
import functools
import inspect
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Final

VARIABLE: Final = "HEADCOUNT_TEST_SLOWNESS"

_INTERVAL_SECONDS: Final = 0.02
# A new interpreter, and a moment of work: 0.2 s on a fast machine that has nothing else to do.
_WORK: Final = "import asyncio, ssl, json; sum(number * number for number in range(1_000_000))"
_WORK_SECONDS: Final = 0.2
# How busy the machine is changes during a run: the measurement is of one moment only.
_MARGIN: Final = 2.0
_MOST: Final = 40.0


@functools.cache
def slowness() -> float:
    """Return the factor of every deadline in this process; at least 1."""
    if given := os.environ.get(VARIABLE):
        return max(1.0, float(given))
    return factor_of(measured())


def measured() -> float:
    """Measure how many seconds this machine takes for the work, while it does what else it does."""
    begun = time.monotonic()
    subprocess.run([sys.executable, "-I", "-c", _WORK], check=True)
    return time.monotonic() - begun


def factor_of(seconds: float) -> float:
    """Return the factor for a machine that takes so long for the work."""
    return min(_MOST, max(1.0, _MARGIN * seconds / _WORK_SECONDS))


def scaled(seconds: float) -> float:
    """Return a deadline of so many seconds on a fast machine, in seconds of this one."""
    return seconds * slowness()


def within(seconds: float) -> asyncio.Timeout:
    """Bound a block as `asyncio.timeout` does, with a scaled deadline: `async with within(5):`."""
    return asyncio.timeout(scaled(seconds))


async def wait_until(
    condition: Callable[[], Awaitable[object] | object],
    *,
    deadline_seconds: float = 10.0,
    message: str = "the condition held",
) -> None:
    """Ask again and again until the condition, sync or async, is true; fail the test at the scaled deadline.

    `message` completes the sentence "gave up waiting until ...".
    """
    seconds = scaled(deadline_seconds)
    deadline = time.monotonic() + seconds
    while not await _ask(condition):
        if time.monotonic() > deadline:
            raise AssertionError(f"gave up waiting until {message}, after {seconds:g} s")
        await asyncio.sleep(_INTERVAL_SECONDS)


async def _ask(condition: Callable[[], Awaitable[object] | object]) -> object:
    answer = condition()
    return await answer if inspect.isawaitable(answer) else answer
