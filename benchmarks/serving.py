"""A server as a process of its own on loopback: started, waited for, and ended with the block."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import psutil

from benchmarks.cores import pin

_CHECK_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class Server:
    """A server that listens on a port of loopback."""

    port: int
    process: int

    def cpu_seconds(self) -> float:
        """Return the CPU time, user and system, that it and its children have taken up to now."""
        process = psutil.Process(self.process)
        times = [each.cpu_times() for each in (process, *process.children(recursive=True))]
        return float(sum(time.user + time.system for time in times))


@asynccontextmanager
async def serving(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    *,
    port: int,
    cores: AbstractSet[int] = frozenset(),
) -> AsyncIterator[Server]:
    """Run Python with the arguments, held to the cores if any are given; yield once the port is open."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, env={"PATH": os.environ["PATH"], **environment}
    )
    try:
        pin(process.pid, cores)  # at once: it has no thread and no child yet that would not inherit it
        await _listens(port, process)
        yield Server(port, process.pid)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.wait()


def free_port() -> int:
    """Return a free port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


async def _listens(port: int, process: asyncio.subprocess.Process) -> None:
    while process.returncode is None:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            await asyncio.sleep(_CHECK_SECONDS)
        else:
            writer.close()
            return
    raise RuntimeError("the server did not start; it says why above")
