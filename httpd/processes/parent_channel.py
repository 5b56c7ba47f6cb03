"""A child's end of what ties it to its parent: clients come in by it, and each learns that the other is gone.

It is a pair of connected sockets. The parent hands over accepted clients, one with each byte. The child
reports once a second, from when it can take clients to when it takes no more.
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
"""How many of the clients handed over up to now have gone again."""
REPORT_SECONDS: Final = 1.0

log = structlog.get_logger(__name__)


class ParentChannel:
    """The child's end; `url` is where the parent accepts its clients."""

    def __init__(self, end: socket.socket, url: str) -> None:
        self._end = end
        self._url = url
        self._door: Acceptor | None = None
        self._received = 0

    @contextmanager
    def held(self) -> Iterator[None]:
        """Ask this process to stop, as SIGTERM does, should the parent be gone before the block ends."""
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
        """Have the parent send clients as long as the block, yielding the URL."""
        self._door = acceptor
        reporting = asyncio.create_task(self._report(acceptor))
        try:
            yield self._url
        finally:
            reporting.cancel()
            self._door = None
            # The end of the reports is what has the parent send the next clients elsewhere.
            with suppress(OSError):
                self._end.shutdown(socket.SHUT_WR)

    async def _report(self, acceptor: Acceptor) -> None:
        while True:
            with suppress(OSError):  # the parent is suspended and reads nothing, or gone, which is read here
                self._end.send(REPORT.pack(self._received - acceptor.open))
            await asyncio.sleep(REPORT_SECONDS)

    def _receive_some(self) -> None:
        for _ in range(ACCEPTS_A_TURN):
            try:
                said, descriptors, *_ = socket.recv_fds(self._end, 1, 1)
            except BlockingIOError:
                return
            if not said:
                self._stop()
                return
            self._received += 1
            for descriptor in descriptors:  # none, should this process have no more files to open
                self._let_in(socket.socket(fileno=descriptor))

    def _let_in(self, client: socket.socket) -> None:
        try:
            address = client.getpeername()[0]
        except OSError:  # it has gone already
            client.close()
            return
        if self._door is None:
            client.close()
        else:
            self._door.receive(client, address)

    def _stop(self) -> None:
        asyncio.get_running_loop().remove_reader(self._end)
        log.warning("the parent process is gone")
        signal.raise_signal(signal.SIGTERM)
