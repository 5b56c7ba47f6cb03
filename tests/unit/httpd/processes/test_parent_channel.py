"""The child's end of the parent channel, in this process; the test has the parent's end."""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

import pytest

from headcount.settings import Settings
from headcount.wiring import configure
from httpd.acceptor import Acceptor
from httpd.processes.parent_channel import REPORT, ParentChannel
from tests.support.waiting import scaled, wait_until, within

URL = "http://127.0.0.1:8080"


@dataclass
class FakeDoor(Acceptor):
    """Records the clients it received; the test sets the number of open connections."""

    received: list[str] = field(default_factory=list)
    inside: int = 0

    @property
    def open(self) -> int:
        return self.inside

    def receive(self, client: socket.socket, address: str) -> None:
        client.close()
        self.received.append(address)


class Parent:
    """The parent's end, and the socket that its clients connect to."""

    def __init__(self, end: socket.socket, stack: ExitStack) -> None:
        self.end = end
        self._stack = stack
        self._listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        end.settimeout(scaled(10))

    def submit(self) -> socket.socket:
        """Accept a client and hand it over; return the client's own socket."""
        client = self._stack.enter_context(socket.create_connection(self._listening.getsockname()[:2], 10))
        accepted, _ = self._listening.accept()
        with accepted:
            socket.send_fds(self.end, [b"."], [accepted.fileno()])
        return client

    async def next_report(self) -> int | None:
        """Return how many are said to have gone; None after the last report."""
        said = await asyncio.to_thread(self.end.recv, REPORT.size)
        return REPORT.unpack(said)[0] if said else None


@pytest.fixture
def ends() -> Iterator[tuple[Parent, ParentChannel]]:
    parent_end, child_end = socket.socketpair()
    with ExitStack() as stack:
        yield (
            Parent(stack.enter_context(parent_end), stack),
            ParentChannel(stack.enter_context(child_end), URL),
        )


@pytest.fixture
async def terminated() -> AsyncIterator[asyncio.Event]:
    """Set once this process gets SIGTERM."""
    event, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, event.set)
    yield event
    loop.remove_signal_handler(signal.SIGTERM)


async def test_clients_reach_the_acceptor_and_their_end_is_reported(
    ends: tuple[Parent, ParentChannel],
) -> None:
    (parent, parent_channel), acceptor = ends, FakeDoor()
    with parent_channel.held():
        async with parent_channel.entrance(configure(Settings()).http, acceptor) as url:
            assert url == URL
            assert await parent.next_report() == 0
            for _ in range(3):
                parent.submit()
            await wait_until(lambda: acceptor.received == ["127.0.0.1"] * 3)
            acceptor.inside = 1
            assert await parent.next_report() == 2


async def test_reports_end_before_the_process_does(
    ends: tuple[Parent, ParentChannel],
) -> None:
    parent, parent_channel = ends
    with parent_channel.held():
        async with parent_channel.entrance(configure(Settings()).http, FakeDoor()):
            assert await parent.next_report() == 0
        assert await parent.next_report() is None
        late = parent.submit()
        assert await asyncio.to_thread(late.recv, 1) == b""


async def test_the_process_gets_sigterm_when_the_parent_is_gone(
    ends: tuple[Parent, ParentChannel], terminated: asyncio.Event
) -> None:
    parent, parent_channel = ends
    with parent_channel.held():
        parent.end.close()
        async with within(10):
            await terminated.wait()
