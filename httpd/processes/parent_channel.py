"""The channel between parent and child, from the child's side: receives clients and sends reports.

It is a pair of connected sockets; each end detects that the other process is gone. The parent sends accepted
clients, one with each byte. The child sends a report each second while it accepts clients.
"""

import asyncio
import signal
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Final

import structlog

from httpd.acceptor import Acceptor
from httpd.limits import HttpConfig
from httpd.listener import ACCEPTS_A_TURN

REPORT: Final = struct.Struct("!Q")
"""How many of the clients received so far have disconnected."""
REPORT_SECONDS: Final = 1.0

log = structlog.get_logger(__name__)


class ParentChannel:
    """The child's end; `url` is where the parent accepts clients."""

    def __init__(self, end: socket.socket, url: str) -> None:
        self._end = end
        self._url = url
        self._acceptor: Acceptor | None = None
        self._received = 0

    @contextmanager
    def held(self) -> Iterator[None]:
        """Send SIGTERM to this process if the parent ends before the block does."""
        loop = asyncio.get_running_loop()
        with self._end:
            self._end.setblocking(False)  # noqa: FBT003  the standard library's own signature
            loop.add_reader(self._end, self._receive_some)
            try:
                yield
            finally:
                loop.remove_reader(self._end)

    @asynccontextmanager
    async def entrance(self, _config: HttpConfig, acceptor: Acceptor) -> AsyncIterator[str]:
        """Receive clients from the parent for the duration of the block, and yield the URL."""
        self._acceptor = acceptor
        reporting = asyncio.create_task(self._report(acceptor))
        try:
            yield self._url
        finally:
            reporting.cancel()
            self._acceptor = None
            # The parent sends no more clients once the reports end.
            with suppress(OSError):
                self._end.shutdown(socket.SHUT_WR)

    async def _report(self, acceptor: Acceptor) -> None:
        while True:
            with suppress(
                OSError
            ):  # the parent is suspended and does not read, or has ended, which `_receive_some` detects
                self._end.send(REPORT.pack(self._received - acceptor.open))
            await asyncio.sleep(REPORT_SECONDS)

    def _receive_some(self) -> None:
        for _ in range(ACCEPTS_A_TURN):
            try:
                data, descriptors, *_ = socket.recv_fds(self._end, 1, 1)
            except BlockingIOError:
                return
            if not data:
                self._stop()
                return
            self._received += 1
            for descriptor in descriptors:  # none if this process cannot open more files
                self._accept(socket.socket(fileno=descriptor))

    def _accept(self, client: socket.socket) -> None:
        try:
            address = client.getpeername()[0]
        except OSError:  # it has disconnected already
            client.close()
            return
        if self._acceptor is None:
            client.close()
        else:
            self._acceptor.receive(client, address)

    def _stop(self) -> None:
        asyncio.get_running_loop().remove_reader(self._end)
        log.warning("parent process is gone")
        signal.raise_signal(signal.SIGTERM)
