"""A server that takes every connection and answers nothing, as one that hangs does."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def mute_server() -> Iterator[socket.socket]:
    """Listen without ever looking; connections wait in the socket's backlog."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def address_of(server: socket.socket) -> str:
    host, port = server.getsockname()
    return f"{host}:{port}"
