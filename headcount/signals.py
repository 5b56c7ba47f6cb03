"""Stop signals: the first one requests a clean stop, a second one terminates the process."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, Final

from ingest.errors import UnavailableError

STOP_SECONDS: Final = 8.0
"""The limit of a clean stop; service managers commonly kill after 10 s."""

ECHO_SECONDS: Final = 1.0
"""A second signal within this time is an echo of the first: `timeout`, systemd and others signal a whole
process group, and `make` then forwards the signal to its child as well."""

_STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""SIGHUP means that the terminal was closed. If it is ignored, as under `nohup`, it stays ignored."""


@asynccontextmanager
async def stopped_by_signals() -> AsyncIterator[asyncio.Event]:
    """Yield an event that the first signal sets; the block is cancelled if it then takes too long to end.

    Raises `UnavailableError` if the block was cancelled.
    """
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    deadline = asyncio.timeout(None)

    def stop() -> None:
        stopping.set()
        deadline.reschedule(loop.time() + STOP_SECONDS)

    with _first_signal(stop):
        try:
            async with deadline:
                yield stopping
        except TimeoutError as error:
            if not deadline.expired():
                raise
            raise UnavailableError(f"The clean stop was aborted after {STOP_SECONDS:.0f} s.") from error


async def cancelled_by_signals(work: Coroutine[Any, Any, None], announce: Callable[[str], None]) -> None:
    """Run the work; the first signal cancels it, which is no error. The work limits its own cleanup."""
    task = asyncio.create_task(work)

    def stop() -> None:
        task.cancel()  # first, because output to a closed terminal can fail
        with suppress(OSError):
            announce("Stopping; press Ctrl-C again to stop immediately.")

    with _first_signal(stop):
        await asyncio.wait({task})
    if not task.cancelled():
        task.result()


@contextmanager
def _first_signal(act: Callable[[], object]) -> Iterator[None]:
    """Call `act` at the first signal; only for the main thread, which handles signals."""
    loop = asyncio.get_running_loop()
    numbers = [
        number
        for number in _STOP_SIGNALS
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN
    ]
    echo: asyncio.TimerHandle | None = None

    def restore_defaults() -> None:
        for number in numbers:
            loop.remove_signal_handler(number)

    def on_signal() -> None:
        nonlocal echo
        if echo is None:
            echo = loop.call_later(ECHO_SECONDS, restore_defaults)  # then a second signal terminates
            act()

    for number in numbers:
        loop.add_signal_handler(number, on_signal)
    try:
        yield
    finally:
        if echo is not None:
            echo.cancel()
        restore_defaults()
