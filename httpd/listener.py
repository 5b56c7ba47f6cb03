"""The listening sockets: where clients are accepted, a few at a time."""

import asyncio
import errno
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, Final

from ingest.errors import OperatorError

ACCEPTS_A_TURN: Final = 8
"""asyncio's own server accepts as many as may queue before it turns to those who are already connected."""
QUEUE: Final = 512
_REST_SECONDS: Final = 1.0
_NOT_HERE: Final = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
_TRIES_OF_A_FREE_PORT: Final = 10

Receive = Callable[[socket.socket, str], None]
"""Takes an accepted socket, and the address of its peer."""


@dataclass(frozen=True, slots=True)
class Names:
    """The settings that say where to listen, for the sentence of a port that cannot be bound."""

    host: str = "HTTP_HOST"
    port: str = "HTTP_PORT"
    alternative: str = ""
    """What may be done apart from another port."""


API: Final = Names()


@asynccontextmanager
async def bound(host: str, port: int, names: Names = API) -> AsyncIterator[Sequence[socket.socket]]:
    """Listen as long as the block: clients queue until they are accepted.

    A host with several addresses, such as `localhost`, has a socket for each that this machine has, all on
    one port. `::` takes IPv4 as well. Raises `OperatorError` if the port cannot be bound.
    """
    with ExitStack() as stack:
        try:
            sockets = await _bind(host, port, stack)
        except (OSError, UnicodeError) as error:
            raise OperatorError(_refusal(error, host, port, names)) from error
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
    for _ in range(_TRIES_OF_A_FREE_PORT):
        with ExitStack() as opened:
            try:
                sockets = _bind_all(dict.fromkeys((family, address) for family, *_, address in found), opened)
            except OSError as error:
                if port or error.errno != errno.EADDRINUSE:
                    raise
                continue  # the port that was free on one address is taken on the next
            stack.enter_context(opened.pop_all())
            return sockets
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def _bind_all(addresses: Iterable[tuple[int, Any]], opened: ExitStack) -> list[socket.socket]:
    sockets: list[socket.socket] = []
    missing: OSError | None = None
    for family, (host, port, *scope) in addresses:
        if sockets and not port:
            port = sockets[0].getsockname()[1]  # noqa: PLW2901 - clients are given one port
        both = family == socket.AF_INET6 and host == "::" and socket.has_dualstack_ipv6()
        try:
            listening = socket.create_server(
                (host, port, *scope), family=family, backlog=QUEUE, dualstack_ipv6=both
            )
        except OSError as error:
            if error.errno not in _NOT_HERE:
                raise
            missing = error  # `localhost` is ::1 as well, also where IPv6 is off
            continue
        sockets.append(opened.enter_context(listening))
        listening.setblocking(False)  # noqa: FBT003  the standard library's own signature
    if not sockets and missing:
        raise missing
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


def _refusal(error: OSError | UnicodeError, host: str, port: int, names: Names) -> str:
    wanted = f"Set {names.host} to an address of this machine, such as 127.0.0.1; 0.0.0.0 and :: are all."
    if isinstance(error, socket.gaierror | UnicodeError):
        return f"{names.host} {host} can't be resolved: {_cause(error)}. {wanted}"
    if error.errno in _NOT_HERE:
        return f"{names.host} {host} is no address of this machine: {_cause(error)}. {wanted}"
    refused = f"{names.port} {port} on {host} can't be listened on: {_cause(error)}."
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"{refused} Ports below 1024 need a privilege: set {names.port} to 1024 or above."
    return f"{refused} Free it, or set {names.port} to another one{names.alternative}."


def _cause(error: OSError | UnicodeError) -> str:
    """Say it as the system does; Python's own words around it name the address again."""
    if isinstance(error, socket.gaierror):
        return str(error.strerror).lower()
    number = error.errno if isinstance(error, OSError) else None
    return os.strerror(number).lower() if number and number > 0 else str(error)
