"""The listening sockets, which accept a few clients at a time."""

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
"""Per turn of the event loop. asyncio's server accepts a whole queue before it serves connected clients."""
QUEUE: Final = 512
_PAUSE_SECONDS: Final = 1.0
_NOT_LOCAL: Final = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
_FREE_PORT_ATTEMPTS: Final = 10

Receive = Callable[[socket.socket, str], None]
"""Receives an accepted socket and the address of its peer."""


@dataclass(frozen=True, slots=True)
class PortSettings:
    """The names of the settings of a port, for the error if it cannot be bound."""

    host: str = "HTTP_HOST"
    port: str = "HTTP_PORT"
    alternative: str = ""
    """What else the operator can do, added to the error if the port is taken."""


API: Final = PortSettings()


@asynccontextmanager
async def bound(host: str, port: int, settings: PortSettings = API) -> AsyncIterator[Sequence[socket.socket]]:
    """Listen for the duration of the block; clients queue until they are accepted.

    A host with several addresses, such as `localhost`, gets one socket for each address that is local to this
    machine, all on the same port. `::` includes IPv4. Raises `OperatorError` if the port cannot be bound.
    """
    with ExitStack() as stack:
        try:
            sockets = await _bind(host, port, stack)
        except (OSError, UnicodeError) as error:
            raise OperatorError(_refusal(error, host, port, settings)) from error
        yield sockets


@contextmanager
def accepting(sockets: Sequence[socket.socket], receive: Receive) -> Iterator[None]:
    """Accept clients for the duration of the block; other processes may accept on the same sockets."""
    loop = asyncio.get_running_loop()
    with ExitStack() as stack:
        for listening in sockets:
            _watch(loop, listening, receive)
            stack.callback(loop.remove_reader, listening.fileno())
        yield


async def _bind(host: str, port: int, stack: ExitStack) -> list[socket.socket]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for _ in range(_FREE_PORT_ATTEMPTS):
        with ExitStack() as opened:
            try:
                sockets = _bind_all(dict.fromkeys((family, address) for family, *_, address in found), opened)
            except OSError as error:
                if port or error.errno != errno.EADDRINUSE:
                    raise
                continue  # the port that was free on one address is in use on the next
            stack.enter_context(opened.pop_all())
            return sockets
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def _bind_all(addresses: Iterable[tuple[int, Any]], opened: ExitStack) -> list[socket.socket]:
    sockets: list[socket.socket] = []
    missing: OSError | None = None
    for family, (host, port, *scope) in addresses:
        if sockets and not port:
            port = sockets[0].getsockname()[1]  # noqa: PLW2901 - all sockets have the same port
        both = family == socket.AF_INET6 and host == "::" and socket.has_dualstack_ipv6()
        try:
            listening = socket.create_server(
                (host, port, *scope), family=family, backlog=QUEUE, dualstack_ipv6=both
            )
        except OSError as error:
            if error.errno not in _NOT_LOCAL:
                raise
            missing = error  # `localhost` includes ::1 even if IPv6 is off
            continue
        sockets.append(opened.enter_context(listening))
        listening.setblocking(False)  # noqa: FBT003  the standard library's own signature
    if not sockets and missing:
        raise missing
    return sockets


def _watch(loop: asyncio.AbstractEventLoop, listening: socket.socket, receive: Receive) -> None:
    if listening.fileno() >= 0:  # it may have been closed during the pause
        loop.add_reader(listening, _accept_some, loop, listening, receive)


def _accept_some(loop: asyncio.AbstractEventLoop, listening: socket.socket, receive: Receive) -> None:
    for _ in range(ACCEPTS_A_TURN):
        try:
            client, address = listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError:
            # The system has no files or memory left; accepting again at once would fail the same way.
            loop.remove_reader(listening)
            loop.call_later(_PAUSE_SECONDS, _watch, loop, listening, receive)
            return
        receive(client, address[0])


def url_of(listening: socket.socket) -> str:
    """Return the URL of a listening socket."""
    host, port = listening.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _refusal(error: OSError | UnicodeError, host: str, port: int, settings: PortSettings) -> str:
    remedy = f"Set {settings.host} to an address of this machine, such as 127.0.0.1; 0.0.0.0 and :: mean all."
    if isinstance(error, socket.gaierror | UnicodeError):
        return f"{settings.host} {host} cannot be resolved: {_cause(error)}. {remedy}"
    if error.errno in _NOT_LOCAL:
        return f"{settings.host} {host} is not an address of this machine: {_cause(error)}. {remedy}"
    problem = f"{settings.port} {port} on {host} is not available: {_cause(error)}."
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"{problem} Ports below 1024 require privileges: set {settings.port} to 1024 or above."
    return f"{problem} Free the port, or set {settings.port} to another one{settings.alternative}."


def _cause(error: OSError | UnicodeError) -> str:
    """Return the system's own message; Python's wording around it would repeat the address."""
    if isinstance(error, socket.gaierror):
        return str(error.strerror).lower()
    number = error.errno if isinstance(error, OSError) else None
    return os.strerror(number).lower() if number and number > 0 else str(error)
