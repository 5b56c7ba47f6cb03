"""An event loop without waiting: its clock jumps to the next timer whenever nothing else is left to do."""

import asyncio
import selectors
from collections.abc import Callable, Mapping
from typing import Any, Final

TICK_SECONDS: Final = 0.001
"""What a turn of the loop takes: without it, whoever never waits would stop the clock."""
DEADLINE_SECONDS: Final = 120.0
"""Of virtual time, which takes a second or two."""


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Runs whatever only waits for timers and for itself; a wait for anything else fails the test."""

    def __init__(self) -> None:
        self._selector_clock = _JumpingSelector()
        super().__init__(self._selector_clock)

    def time(self) -> float:
        return self._selector_clock.now


class _JumpingSelector(selectors.DefaultSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        events = super().select(0)
        if not events:
            assert timeout is not None, "a deadlock: no timer is set, and nobody is left to go on"
            self.now += max(timeout, TICK_SECONDS)
        return events


def virtual_time() -> Mapping[str, type[asyncio.AbstractEventLoop]]:
    """Return what a conftest's `pytest_asyncio_loop_factories` answers to have its tests run on this loop."""
    return {"virtual-time": VirtualTimeLoop}


async def wait_until(condition: Callable[[], object], *, message: str = "the condition held") -> None:
    """Look again and again until the condition is true; fail the test at the deadline."""
    deadline = asyncio.get_running_loop().time() + DEADLINE_SECONDS
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, f"gave up waiting until {message}"
        await asyncio.sleep(0.02)
