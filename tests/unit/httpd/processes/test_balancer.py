"""Least-connections balancing, and where clients queue while there is no target."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, closing

import pytest

from httpd.listener import bound
from httpd.processes.balancer import Balancer
from tests.support.waiting import wait_until


class FakeTarget:
    """Counts the clients it is given; it may fail to accept any."""

    def __init__(self, clients: int = 0, *, is_able: bool = True) -> None:
        self.clients = clients
        self.is_able = is_able

    def give(self, client: socket.socket) -> bool:
        assert client.getpeername()
        self.clients += self.is_able
        return self.is_able


class Port:
    """The socket that clients connect to."""

    def __init__(self, sockets: Sequence[socket.socket], stack: ExitStack) -> None:
        self.balancer = stack.enter_context(closing(Balancer(sockets)))
        self._port = sockets[0].getsockname()[1]
        self._stack = stack

    async def connect(self, clients: int) -> list[socket.socket]:
        return [
            self._stack.enter_context(
                await asyncio.to_thread(socket.create_connection, ("127.0.0.1", self._port))
            )
            for _ in range(clients)
        ]


@pytest.fixture
async def port() -> AsyncIterator[Port]:
    async with bound("127.0.0.1", 0) as sockets:
        with ExitStack() as stack:
            yield Port(sockets, stack)


async def test_the_target_with_the_fewest_clients_gets_the_next(port: Port) -> None:
    one, two, three = FakeTarget(3), FakeTarget(0), FakeTarget(1)
    with port.balancer.open_to(one), port.balancer.open_to(two), port.balancer.open_to(three):
        await port.connect(5)
        await wait_until(lambda: [each.clients for each in (one, two, three)] == [3, 3, 3])


async def test_a_target_that_fails_is_skipped(port: Port) -> None:
    unable, able = FakeTarget(is_able=False), FakeTarget(5)
    with port.balancer.open_to(unable), port.balancer.open_to(able):
        await port.connect(2)
        await wait_until(lambda: able.clients == 7)


async def test_a_client_is_closed_if_all_targets_fail(port: Port) -> None:
    with port.balancer.open_to(FakeTarget(is_able=False)):
        (client,) = await port.connect(1)
        assert await asyncio.to_thread(client.recv, 1) == b""


async def test_clients_queue_while_there_is_no_target(port: Port) -> None:
    gone, next_one = FakeTarget(), FakeTarget()
    with port.balancer.open_to(gone):
        await port.connect(1)
        await wait_until(lambda: gone.clients == 1)
    await port.connect(2)
    with port.balancer.open_to(next_one):
        await wait_until(lambda: next_one.clients == 2)
    assert gone.clients == 1
