"""A child as its parent sees it: its start, whether it lives, which clients it has, and its end."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final

import structlog

from httpd.processes.parent_channel import REPORT, REPORT_SECONDS

log = structlog.get_logger(__name__)

_CLIENT: Final = b"."
_MANY_REPORTS: Final = REPORT.size * 512


class Child:
    """A running child, and the parent's end of the lifeline."""

    def __init__(self, process: asyncio.subprocess.Process, parent_channel: socket.socket) -> None:
        self._process = process
        self._parent_channel = parent_channel
        self._handed_over = 0
        self._gone = 0

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    @property
    def clients(self) -> int:
        """How many clients it has: at most, since those that have gone are known a second late."""
        return self._handed_over - self._gone

    def take(self, client: socket.socket) -> bool:
        """Give it a client, and say whether that went well."""
        try:
            socket.send_fds(self._parent_channel, [_CLIENT], [client.fileno()])
        except OSError:  # it has ended, or hangs and has not taken the ones before
            return False
        self._handed_over += 1
        return True

    async def reports(self, *, within_seconds: float) -> bool:
        """Wait for a sign of life; False is its last one. Raises `TimeoutError` where none comes."""
        # Second by second, since a parent that was suspended itself must not take that time for a silence.
        for _ in range(max(1, round(within_seconds / REPORT_SECONDS))):
            try:
                async with asyncio.timeout(min(within_seconds, REPORT_SECONDS)):
                    return await self._next_report()
            except TimeoutError:
                continue
        raise TimeoutError

    async def ended(self) -> str:
        """Wait for the end, and say how it came."""
        code = await self._process.wait()
        return f"exit code {code}" if code >= 0 else signal.Signals(-code).name

    async def end(self, *, within_seconds: float) -> None:
        """Ask it to end and wait for that; it is killed once the time is up, or the wait is cancelled."""
        if self._process.returncode is not None:
            return
        self._signal(signal.SIGTERM)
        self._signal(signal.SIGCONT)  # a suspended process does not handle SIGTERM
        try:
            async with asyncio.timeout(within_seconds):
                await self._process.wait()
        except TimeoutError:
            log.warning("process did not end in time and is killed", pid=self.pid)
        finally:
            await self.kill()

    async def kill(self) -> None:
        """End it at once, as a crash would."""
        if self._process.returncode is None:
            self._signal(signal.SIGKILL)
            await self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        # Not by the process' own methods: they reap a child that has ended, and asyncio then reports 255.
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    async def _next_report(self) -> bool:
        try:
            said = await asyncio.get_running_loop().sock_recv(self._parent_channel, _MANY_REPORTS)
        except ConnectionResetError:  # it ended before it had taken all of its clients
            return False
        if said:
            (self._gone,) = REPORT.unpack(said[-REPORT.size :])
        return bool(said)


@asynccontextmanager
async def running_child(
    url: str,
    environ: Mapping[str, str],
    *,
    program: Sequence[str],
    stop_seconds: float,
) -> AsyncIterator[Child]:
    """Run a child as long as the block, for clients of the URL; at its end the child is asked to end."""
    ours, theirs = socket.socketpair()
    with ours:
        ours.setblocking(False)  # noqa: FBT003  the standard library's own signature
        with theirs:  # our copy is closed, or the child's death would not be seen
            process = await _spawn((*program, str(theirs.fileno()), url), environ, theirs.fileno())
        child = Child(process, ours)
        try:
            yield child
        finally:
            await child.end(within_seconds=stop_seconds)


async def _spawn(
    command: Sequence[str], environ: Mapping[str, str], parent_channel: int
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *command,
        env=environ,
        stdin=asyncio.subprocess.DEVNULL,
        pass_fds=[parent_channel],
        start_new_session=True,  # a terminal's Ctrl-C reaches only the parent, who ends the children
    )
