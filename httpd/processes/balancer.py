"""Least-connections balancing: the next client goes to the child with the fewest clients."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from operator import attrgetter
from typing import Protocol

from httpd.listener import accepting


class Target(Protocol):
    """A process that can be given clients."""

    @property
    def clients(self) -> int:
        """The number of its clients."""

    def give(self, client: socket.socket) -> bool:
        """Pass a client to the process and return whether that succeeded; the caller closes the socket."""


class Balancer:
    """Accepts on the sockets while there is a target; otherwise clients wait in the sockets' queues."""

    def __init__(self, sockets: Sequence[socket.socket]) -> None:
        self._sockets = sockets
        self._targets: list[Target] = []
        self._accepting = ExitStack()

    @contextmanager
    def open_to(self, target: Target) -> Iterator[None]:
        """Include a target for the duration of the block."""
        if not self._targets:
            self._accepting.enter_context(accepting(self._sockets, self._receive))
        self._targets.append(target)
        try:
            yield
        finally:
            self._targets.remove(target)
            if not self._targets:
                self.close()

    def close(self) -> None:
        """Stop accepting clients."""
        self._accepting.close()

    def _receive(self, client: socket.socket, _address: str) -> None:
        with client:
            # A target that fails has ended or hangs; the supervisor detects that.
            any(target.give(client) for target in sorted(self._targets, key=attrgetter("clients")))
