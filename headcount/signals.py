"""The signals that end a program: the first asks it to stop cleanly, a second one ends it at once."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, Final

from ingest.errors import UnavailableError

STOP_SECONDS: Final = 8.0
"""How long a clean stop may take before it is cut short; supervisors tend to kill after 10 s."""

ECHO_SECONDS: Final = 1.0
"""A second signal this soon is the first one's echo: `timeout`, systemd and others signal a whole process
group, and `make` then passes it on to its child once more."""

_STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""SIGHUP says that the terminal was closed. `nohup` has it ignored, and then it stays so."""


@asynccontextmanager
async def stopped_by_signals() -> AsyncIterator[asyncio.Event]:
    """Yield an event that the first signal sets; the block is cancelled if it then takes too long to end.

    Raises `UnavailableError` where the block was cancelled.
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
            raise UnavailableError(f"The stop was cut short: it took over {STOP_SECONDS:.0f} s.") from error


async def cancelled_by_signals(work: Coroutine[Any, Any, None], announce: Callable[[str], None]) -> None:
    """Run the work; the first signal cancels it, which is no error. The work bounds its own cleaning up."""
    task = asyncio.create_task(work)

    def stop() -> None:
        task.cancel()  # first: what is printed to a terminal that was closed can fail
        with suppress(OSError):
            announce("Stopping; once more ends it at once.")

    with _first_signal(stop):
        await asyncio.wait({task})
    if not task.cancelled():
        task.result()


@contextmanager
def _first_signal(act: Callable[[], object]) -> Iterator[None]:
    """For the main thread only: signals reach no other."""
    loop = asyncio.get_running_loop()
    numbers = [
        number
        for number in _STOP_SIGNALS
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN
    ]
    echo: asyncio.TimerHandle | None = None

    def let_go() -> None:
        for number in numbers:
            loop.remove_signal_handler(number)

    def on_signal() -> None:
        nonlocal echo
        if echo is None:
            echo = loop.call_later(ECHO_SECONDS, let_go)  # from then on a second signal finds its default
            act()

    for number in numbers:
        loop.add_signal_handler(number, on_signal)
    try:
        yield
    finally:
        if echo is not None:
            echo.cancel()
        let_go()
