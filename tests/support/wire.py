"""A client that speaks bytes: what it sends need not be HTTP, and it reads only when it is asked to."""

import asyncio
import json
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from tests.support.waiting import within

_PATIENCE_SECONDS = 10
_SMALL_BUFFER_BYTES = 4_096


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer as it came."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    status_line: str

    @property
    def error(self) -> str:
        return str(json.loads(self.body)["error"])


class Wire:
    """One connection to a server of this machine."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def to(cls, port: int, *, source: str = "127.0.0.1") -> Self:
        """Connect from an address of this machine; the buffer for answers is small."""
        plug = socket.socket()
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL_BUFFER_BYTES)
        plug.bind((source, 0))
        plug.setblocking(False)  # noqa: FBT003  the standard library's own signature
        await asyncio.get_running_loop().sock_connect(plug, ("127.0.0.1", port))
        return cls(*await asyncio.open_connection(sock=plug, limit=_SMALL_BUFFER_BYTES))

    async def send(self, data: bytes) -> None:
        """Send the bytes, or as many of them as the server still takes."""
        with suppress(ConnectionError):
            self._writer.write(data)
            await self._writer.drain()

    async def answer(self) -> Answer:
        """Read one answer."""
        async with within(_PATIENCE_SECONDS):
            head = await self._reader.readuntil(b"\r\n\r\n")
            line, *lines = head.decode().strip().split("\r\n")
            headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
            body = await self._reader.readexactly(int(headers["content-length"]))
        return Answer(int(line.split()[1]), headers, body, line)

    async def bodiless(self) -> str:
        """Read the head of an answer that has no body whatever it says."""
        async with within(_PATIENCE_SECONDS):
            return (await self._reader.readuntil(b"\r\n\r\n")).decode()

    async def rest(self) -> bytes:
        """Read until the server ends the connection, and return what came before that."""
        got = bytearray()
        async with within(_PATIENCE_SECONDS):
            with suppress(ConnectionError):
                while piece := await self._reader.read(65_536):
                    got += piece
        return bytes(got)

    async def last_answer(self) -> Answer:
        """Read an answer, and see to it that the server ends the connection after it."""
        answer = await self.answer()
        assert await self.rest() == b""
        return answer

    def close(self) -> None:
        self._writer.close()
