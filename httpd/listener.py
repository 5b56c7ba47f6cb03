"""The listening sockets: where clients are accepted, a few at a time."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from typing import Final

from ingest.errors import OperatorError

ACCEPTS_A_TURN: Final = 8
"""asyncio's own server accepts as many as may queue before it turns to those who are already connected."""
QUEUE: Final = 512
_REST_SECONDS: Final = 1.0

Receive = Callable[[socket.socket, str], None]
"""Takes an accepted socket, and the address of its peer."""


@asynccontextmanager
async def bound(host: str, port: int) -> AsyncIterator[Sequence[socket.socket]]:
    """Listen as long as the block: clients queue until they are accepted.

    Raises `OperatorError` if the port is taken.
    """
    with ExitStack() as stack:
        try:
            sockets = await _bind(host, port, stack)
        except OSError as error:
            raise OperatorError(
                f"HTTP_PORT {port} on {host} can't be listened on: {_cause(error)}. "
                "Free it, or set HTTP_PORT to another one."
            ) from error
        yield sockets


@contextmanager
def accepting(sockets: Sequence[socket.socket], receive: Receive) -> Iterator[None]:
    """Accept clients as long as the block; other processes may accept on the same sockets."""
    loop = asyncio.get_running_loop()
    with ExitStack() as stack:
        for listening in sockets:
            _watch(loop, listening, receive)
            stack.callback(loop.remove_reader, listening.fileno())
        yield


async def _bind(host: str, port: int, stack: ExitStack) -> list[socket.socket]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    sockets = []
    for family, address in dict.fromkeys((family, address) for family, *_, address in found):
        listening = socket.create_server(address, family=family, backlog=QUEUE)
        sockets.append(stack.enter_context(listening))
        listening.setblocking(False)  # noqa: FBT003  the standard library's own signature
    return sockets


def _watch(loop: asyncio.AbstractEventLoop, listening: socket.socket, receive: Receive) -> None:
    if listening.fileno() >= 0:  # it may have been closed while it had a rest
        loop.add_reader(listening, _accept_some, loop, listening, receive)


def _accept_some(loop: asyncio.AbstractEventLoop, listening: socket.socket, receive: Receive) -> None:
    for _ in range(ACCEPTS_A_TURN):
        try:
            client, address = listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError:
            # The system has no files or memory left, and would say so again at once.
            loop.remove_reader(listening)
            loop.call_later(_REST_SECONDS, _watch, loop, listening, receive)
            return
        receive(client, address[0])


def url_of(listening: socket.socket) -> str:
    """Say where clients find the socket."""
    host, port = listening.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _cause(error: OSError) -> str:
    """Say it as the system does; Python's own words around it name the address again."""
    number = error.errno or 0
    return os.strerror(number).lower() if number > 0 else str(error)
