"""The door: each new connection is let in or sent away here, before anything is built for it."""

import asyncio
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress

from httpd.addresses import Network, Origin, origin_of
from httpd.connection import Connection
from httpd.connection_limits import ConnectionLimits
from httpd.error_responses import bytes_of
from httpd.stats import Cause, ConnectionStats

Build = Callable[[Callable[[Connection], None]], Connection]
"""Makes a connection's protocol; the argument is what it calls once it is lost."""


class Acceptor:
    """Knows who is inside, and ends what takes too long there."""

    def __init__(
        self, room: ConnectionLimits, stats: ConnectionStats, trusted_proxies: Sequence[Network], build: Build
    ) -> None:
        self._room = room
        self._stats = stats
        self._trusted_proxies = trusted_proxies
        self._build = build
        self._inside: dict[Connection, Origin | None] = {}
        self._entering: set[asyncio.Task[None]] = set()

    @property
    def open(self) -> int:
        """How many are inside."""
        return self._stats.open

    def receive(self, client: socket.socket, address: str) -> None:
        """Serve a client that has just connected, or send it away."""
        client.setblocking(False)  # noqa: FBT003  the standard library's own signature
        origin = origin_of(address, self._trusted_proxies)
        refusal = self._room.refusal(origin)
        if refusal is not None:
            self._send_away(client, refusal)
            return
        connection = self._build(self._let_out)
        # Counted before the loop turns again: who comes next is to find the room taken.
        self._room.enter(origin)
        self._inside[connection] = origin
        entering = asyncio.create_task(self._enter(connection, client))
        self._entering.add(entering)
        entering.add_done_callback(self._entering.discard)

    def end_overdue(self, now: float) -> None:
        """End the connections whose clients have not done in time what is due of them."""
        for connection in tuple(self._inside):
            cause = connection.overdue(now)
            if cause is not None:
                connection.end(cause)

    async def _enter(self, connection: Connection, client: socket.socket) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(lambda: connection, client)
        except OSError:
            client.close()
            self._let_out(connection)

    def _send_away(self, client: socket.socket, cause: Cause) -> None:
        self._stats.refused[cause] += 1
        # No transport, no task, no waiting: sending a client away must cost less than coming.
        with client, suppress(OSError):
            client.send(bytes_of(cause))

    def _let_out(self, connection: Connection) -> None:
        self._room.close_within(self._inside.pop(connection))
