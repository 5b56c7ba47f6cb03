"""The footprint of processes: the CPU time and the memory that they take, as the system counts them."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil

LOOK_SECONDS: Final = 0.02
MEGABYTE: Final = 1_000_000
_BUSY: Final = ("user", "nice", "system", "irq", "softirq", "steal")


def embedded_server(name: str) -> psutil.Process:
    """Return the process of an embedded server, whose working directory has the name of the server."""
    children = psutil.Process().children()
    return next(child for child in children if name in Path(child.cwd()).parts)


def cpu_seconds(process: psutil.Process) -> float:
    """Return the CPU time, user and system, that a process has taken so far."""
    times = process.cpu_times()
    return float(times.user + times.system)


def machine_cpu_seconds() -> float:
    """Return the CPU time that all cores together have spent since the machine started, for all processes."""
    times = psutil.cpu_times()
    return sum(getattr(times, name, 0.0) for name in _BUSY)


class PeakMemory:
    """The most resident memory of a process seen while it was watched, looked at every `LOOK_SECONDS`."""

    def __init__(self, process: psutil.Process) -> None:
        self.megabytes = 0.0
        self._process = process

    async def watch(self, stopping: asyncio.Event) -> None:
        with suppress(psutil.NoSuchProcess):  # it is done, and what was seen stands
            while not stopping.is_set():
                self.megabytes = max(self.megabytes, self._process.memory_info().rss / MEGABYTE)
                await asyncio.sleep(LOOK_SECONDS)
