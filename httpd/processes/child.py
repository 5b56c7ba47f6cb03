"""A child process from its parent's side: start, reports, number of clients and end."""

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
    """A running child and the parent's end of the channel to it."""

    def __init__(self, process: asyncio.subprocess.Process, parent_channel: socket.socket) -> None:
        self._process = process
        self._parent_channel = parent_channel
        self._given = 0
        self._closed = 0

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def clients(self) -> int:
        """The number of its clients, at most: closed connections are reported up to a second late."""
        return self._given - self._closed

    def give(self, client: socket.socket) -> bool:
        """Pass a client to the child and return whether that succeeded."""
        try:
            socket.send_fds(self._parent_channel, [_CLIENT], [client.fileno()])
        except OSError:  # it has ended, or hangs and has not received the earlier ones
            return False
        self._given += 1
        return True

    async def reports(self, *, within_seconds: float) -> bool:
        """Wait for the next report; False is the end of the reports. Raises `TimeoutError` if none comes."""
        # One second at a time: a parent that was suspended must not count that time as the child's silence.
        for _ in range(max(1, round(within_seconds / REPORT_SECONDS))):
            try:
                async with asyncio.timeout(min(within_seconds, REPORT_SECONDS)):
                    return await self._next_report()
            except TimeoutError:
                continue
        raise TimeoutError

    async def ended(self) -> str:
        """Wait for the end of the process; return its exit code or signal as text."""
        code = await self._process.wait()
        return f"exit code {code}" if code >= 0 else signal.Signals(-code).name

    async def end(self, *, within_seconds: float) -> None:
        """Ask the process to end and wait for it; kill it at the timeout, or if the wait is cancelled."""
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
        """End the process at once, as a crash would."""
        if self._process.returncode is None:
            self._signal(signal.SIGKILL)
            await self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        # Not with asyncio's methods: they reap a child that has ended, and asyncio then reports 255.
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    async def _next_report(self) -> bool:
        try:
            data = await asyncio.get_running_loop().sock_recv(self._parent_channel, _MANY_REPORTS)
        except ConnectionResetError:  # it ended before it received all of its clients
            return False
        if data:
            (self._closed,) = REPORT.unpack(data[-REPORT.size :])
        return bool(data)


@asynccontextmanager
async def running_child(
    url: str,
    environ: Mapping[str, str],
    *,
    program: Sequence[str],
    stop_seconds: float,
) -> AsyncIterator[Child]:
    """Run a child that serves the URL for the duration of the block, then ask it to end."""
    parent_end, child_end = socket.socketpair()
    with parent_end:
        parent_end.setblocking(False)  # noqa: FBT003  the standard library's own signature
        with child_end:  # the parent's copy must be closed, or the child's end would not be detected
            process = await asyncio.create_subprocess_exec(
                *program,
                str(child_end.fileno()),
                url,
                env=environ,
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=[child_end.fileno()],
                start_new_session=True,  # Ctrl-C reaches only the parent, which ends the children
            )
        child = Child(process, parent_end)
        try:
            yield child
        finally:
            await child.end(within_seconds=stop_seconds)
