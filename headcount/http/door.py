"""The door: each new connection is let in or sent away here, before anything is built for it."""

import asyncio
from collections.abc import Callable, Sequence
from typing import cast

from headcount.http.addresses import Network, Origin, origin_of
from headcount.http.answers import bytes_of
from headcount.http.connection import Connection
from headcount.http.room import Room
from headcount.http.tally import Cause, ConnectionTally

Build = Callable[[Callable[[Connection], None]], Connection]
"""Makes the connection's protocol; the argument is what it calls once it is lost."""


class Doorkeeper:
    """Knows who is inside, and ends what takes too long there."""

    def __init__(
        self, room: Room, tally: ConnectionTally, trusted_proxies: Sequence[Network], build: Build
    ) -> None:
        self._room = room
        self._tally = tally
        self._trusted_proxies = trusted_proxies
        self._build = build
        self._inside: dict[Connection, Origin | None] = {}

    def receive(self, transport: asyncio.Transport) -> None:
        """Hand the transport over to a new connection, or end it with an answer."""
        origin = origin_of(transport.get_extra_info("peername")[0], self._trusted_proxies)
        refusal = self._room.refusal(origin)
        if refusal is not None:
            self._send_away(transport, refusal)
            return
        connection = self._build(self._let_out)
        self._room.enter(origin)
        self._inside[connection] = origin
        transport.set_protocol(connection)
        connection.connection_made(transport)

    def end_overdue(self, now: float) -> None:
        """End the connections whose clients have not done in time what is due of them."""
        for connection in tuple(self._inside):
            cause = connection.overdue(now)
            if cause is not None:
                connection.end(cause)

    def _send_away(self, transport: asyncio.Transport, cause: Cause) -> None:
        self._tally.refused[cause] += 1
        transport.write(bytes_of(cause))
        transport.close()

    def _let_out(self, connection: Connection) -> None:
        self._room.leave(self._inside.pop(connection))


class Door(asyncio.Protocol):
    """Stands in for the connection until it is decided whether there is to be one."""

    def __init__(self, keeper: Doorkeeper) -> None:
        self._keeper = keeper

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._keeper.receive(cast("asyncio.Transport", transport))
