"""TLS before a server that has none: what an embedded Redis lacks, and counts who asks for it."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from tests.support.secured_kafka import Certificates


class TlsProxy:
    """Ends TLS at its own port, and forwards what it holds to `target`, a port of this machine."""

    def __init__(self, target: int) -> None:
        self.connections = 0
        self._target = target
        self._server: asyncio.Server

    @property
    def port(self) -> int:
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def start(self, context: ssl.SSLContext) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=context)

    async def stop(self) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        from_server, to_server = await asyncio.open_connection("127.0.0.1", self._target)
        await asyncio.gather(_forward(reader, to_server), _forward(from_server, writer))


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while portion := await reader.read(65_536):
            writer.write(portion)
            await writer.drain()
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


@asynccontextmanager
async def tls_before(
    port: int, certificates: Certificates, name: str, *, asks: bool = False
) -> AsyncIterator[TlsProxy]:
    """Run a proxy with the certificate of that name; one that asks wants a client's certificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(certificates.authority))
    context.load_cert_chain(certificates.both(name))
    context.verify_mode = ssl.CERT_REQUIRED if asks else ssl.CERT_NONE
    proxy = TlsProxy(port)
    await proxy.start(context)
    try:
        yield proxy
    finally:
        await proxy.stop()
