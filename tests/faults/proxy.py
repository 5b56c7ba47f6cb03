"""A TCP proxy before Redis, by which a network, a switch of address or a lost reply is played."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

CHUNK_BYTES: Final = 65_536


class Proxy:
    """Forwards each connection to `target`, a port of this machine; the address for clients stays the same.

    What is set counts from then on, for connections that are open too.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.delay_seconds = 0.0
        """How long each reply is held back."""
        self.refusing = False
        """Whether new connections are closed at once."""
        self.held_requests = 0
        self.lost_replies = 0
        self._losing: tuple[bytes, int] = (b"", 0)
        self._open = asyncio.Event()
        self._open.set()
        self._server: asyncio.Server
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """The port on the loopback interface; known once the proxy was started."""
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)

    async def stop(self) -> None:
        self._server.close()
        await self.cut()

    async def cut(self) -> None:
        """Break every connection that is open."""
        tasks = list(self._connections)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def switch(self, target: int) -> None:
        """Lead to another server from now on, as a fail-over does."""
        self.target = target
        await self.cut()

    @contextmanager
    def latency(self, seconds: float) -> Iterator[None]:
        """Hold every reply back for a while."""
        self.delay_seconds = seconds
        try:
            yield
        finally:
            self.delay_seconds = 0.0

    @contextmanager
    def holding_requests(self) -> Iterator[None]:
        """Keep every request back for a while; all of them reach the server in the end."""
        self.held_requests = 0
        self._open.clear()
        try:
            yield
        finally:
            self._open.set()

    async def pass_on(self) -> None:
        """Return once a request may go on."""
        if not self._open.is_set():
            self.held_requests += 1
            await self._open.wait()

    def lose_replies(self, to: bytes, times: int) -> None:
        """Let the server carry out the next `times` requests that hold `to`, and break off unanswered."""
        self._losing = (to, times)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or self.refusing:
            writer.close()
            return
        self._connections.add(task)
        try:
            await self._connect(reader, writer)
        except asyncio.CancelledError:
            pass  # by `cut`: a cancelled callback of a server would be reported as an error
        finally:
            self._connections.discard(task)
            writer.close()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            from_server, to_server = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            return
        try:
            await self._join(_Conversation(self), (reader, writer), (from_server, to_server))
        finally:
            to_server.close()

    async def _join(self, conversation: "_Conversation", client: "_Stream", server: "_Stream") -> None:
        directions = [
            asyncio.create_task(conversation.ask(client[0], server[1])),
            asyncio.create_task(conversation.answer(server[0], client[1])),
        ]
        try:
            await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for direction in directions:
                direction.cancel()
            await asyncio.gather(*directions, return_exceptions=True)

    def takes_the_reply_to(self, request: bytes) -> bool:
        """Say whether the reply to a request is to be lost, and count it."""
        wanted, left = self._losing
        if not left or wanted not in request:
            return False
        self._losing = (wanted, left - 1)
        self.lost_replies += 1
        return True


_Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Conversation:
    """One connection: what goes to the server, and what comes back."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._losing = False

    async def ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while request := await reader.read(CHUNK_BYTES):
                await self._proxy.pass_on()
                self._losing = self._losing or self._proxy.takes_the_reply_to(request)
                writer.write(request)
                await writer.drain()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while reply := await reader.read(CHUNK_BYTES):
                if self._losing:
                    return  # the server did what was asked, and the client never hears of it
                if self._proxy.delay_seconds:
                    await asyncio.sleep(self._proxy.delay_seconds)
                writer.write(reply)
                await writer.drain()
