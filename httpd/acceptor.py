"""Admission of new connections: each is served or refused before any protocol object is built for it."""

import asyncio
import socket
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress

from httpd.addresses import Network, Origin, peer_origin
from httpd.connection import Connection
from httpd.error_responses import bytes_of
from httpd.limits import Limits
from httpd.stats import Cause, ConnectionStats

Build = Callable[[Callable[[Connection], None]], Connection]
"""Builds the protocol of a connection; the argument is called once the connection is lost."""


class ConnectionLimits:
    """Counts the open connections of each origin, and of all clients in `stats.open`."""

    def __init__(self, limits: Limits, stats: ConnectionStats) -> None:
        self._limits = limits
        self._stats = stats
        self._by_origin: Counter[Origin] = Counter()

    def refusal(self, origin: Origin | None) -> Cause | None:
        """Return why another connection must be refused; None if it may be opened.

        A trusted proxy has no origin, and no limit per origin.
        """
        # The origin's own limit first, also when the server is full: its client can do something about it.
        if origin is not None and self._by_origin[origin] >= self._limits.connections_per_address:
            return Cause.TOO_MANY_FROM_ADDRESS
        return Cause.TOO_MANY if self._stats.open >= self._limits.connections else None

    def add(self, origin: Origin | None) -> None:
        """Count a connection that was opened."""
        self._stats.open += 1
        if origin is not None:
            self._by_origin[origin] += 1

    def remove(self, origin: Origin | None) -> None:
        """Count a connection that was closed."""
        self._stats.open -= 1
        if origin is None:
            return
        self._by_origin[origin] -= 1
        if not self._by_origin[origin]:
            del self._by_origin[origin]  # else every address ever seen stays in memory


class Acceptor:
    """Serves or refuses accepted sockets, and ends connections whose client exceeds a timeout."""

    def __init__(
        self,
        limits: ConnectionLimits,
        stats: ConnectionStats,
        trusted_proxies: Sequence[Network],
        build: Build,
    ) -> None:
        self._limits = limits
        self._stats = stats
        self._trusted_proxies = trusted_proxies
        self._build = build
        self._connections: dict[Connection, Origin | None] = {}
        self._opening: set[asyncio.Task[None]] = set()

    @property
    def open(self) -> int:
        """The number of open connections."""
        return self._stats.open

    def receive(self, client: socket.socket, address: str) -> None:
        """Serve a client that has just connected, or refuse it."""
        client.setblocking(False)  # noqa: FBT003  the standard library's own signature
        origin = peer_origin(address, self._trusted_proxies)
        refusal = self._limits.refusal(origin)
        if refusal is not None:
            self._refuse(client, refusal)
            return
        connection = self._build(self._remove)
        # Counted before the event loop runs again, so that the next client is compared with the new count.
        self._limits.add(origin)
        self._connections[connection] = origin
        opening = asyncio.create_task(self._open(connection, client))
        self._opening.add(opening)
        opening.add_done_callback(self._opening.discard)

    def end_overdue(self, now: float) -> None:
        """End the connections whose clients have exceeded a timeout."""
        for connection in tuple(self._connections):
            cause = connection.overdue(now)
            if cause is not None:
                connection.end(cause)

    async def _open(self, connection: Connection, client: socket.socket) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(lambda: connection, client)
        except OSError:
            client.close()
            self._remove(connection)

    def _refuse(self, client: socket.socket, cause: Cause) -> None:
        self._stats.refused[cause] += 1
        # No transport, no task, no waiting: refusing a client must cost less than connecting.
        with client, suppress(OSError):
            client.send(bytes_of(cause))

    def _remove(self, connection: Connection) -> None:
        self._limits.remove(self._connections.pop(connection))
