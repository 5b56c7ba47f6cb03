"""Who gets the next client: of the children that take clients, the one that has the fewest."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from operator import attrgetter
from typing import Protocol

from httpd.listener import accepting


class Taker(Protocol):
    """Who may be given clients."""

    @property
    def clients(self) -> int:
        """How many it has."""

    def take(self, client: socket.socket) -> bool:
        """Take one more; False says that it can't. The socket given is closed afterwards."""


class Balancer:
    """Accepts on the sockets while somebody is there to take the clients; until then they queue."""

    def __init__(self, sockets: Sequence[socket.socket]) -> None:
        self._sockets = sockets
        self._takers: list[Taker] = []
        self._accepting = ExitStack()

    @contextmanager
    def open_to(self, taker: Taker) -> Iterator[None]:
        """Give clients to the taker too, as long as the block."""
        if not self._takers:
            self._accepting.enter_context(accepting(self._sockets, self._receive))
        self._takers.append(taker)
        try:
            yield
        finally:
            self._takers.remove(taker)
            if not self._takers:
                self.close()

    def close(self) -> None:
        """Accept no more."""
        self._accepting.close()

    def _receive(self, client: socket.socket, _address: str) -> None:
        with client:
            # Whoever can't take it has ended or hangs, which is about to be noticed.
            any(taker.take(client) for taker in sorted(self._takers, key=attrgetter("clients")))
