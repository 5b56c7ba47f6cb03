"""Who gets the next client, and where clients wait while nobody takes any."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, closing

import pytest

from httpd.listener import bound
from httpd.processes.balancer import Balancer
from tests.support.waiting import wait_until


class FakeTaker:
    """Counts the clients it is given; one that is able to take none says so."""

    def __init__(self, clients: int = 0, *, is_able: bool = True) -> None:
        self.clients = clients
        self.is_able = is_able

    def give(self, client: socket.socket) -> bool:
        assert client.getpeername()
        self.clients += self.is_able
        return self.is_able


class Street:
    """Where clients come from."""

    def __init__(self, sockets: Sequence[socket.socket], stack: ExitStack) -> None:
        self.balancer = stack.enter_context(closing(Balancer(sockets)))
        self._port = sockets[0].getsockname()[1]
        self._stack = stack

    async def come(self, clients: int) -> list[socket.socket]:
        return [
            self._stack.enter_context(
                await asyncio.to_thread(socket.create_connection, ("127.0.0.1", self._port))
            )
            for _ in range(clients)
        ]


@pytest.fixture
async def street() -> AsyncIterator[Street]:
    async with bound("127.0.0.1", 0) as sockets:
        with ExitStack() as stack:
            yield Street(sockets, stack)


async def test_whoever_has_the_fewest_gets_the_next(street: Street) -> None:
    one, two, three = FakeTaker(3), FakeTaker(0), FakeTaker(1)
    with street.balancer.open_to(one), street.balancer.open_to(two), street.balancer.open_to(three):
        await street.come(5)
        await wait_until(lambda: [each.clients for each in (one, two, three)] == [3, 3, 3])


async def test_whoever_can_not_take_any_is_passed_over(street: Street) -> None:
    unable, able = FakeTaker(is_able=False), FakeTaker(5)
    with street.balancer.open_to(unable), street.balancer.open_to(able):
        await street.come(2)
        await wait_until(lambda: able.clients == 7)


async def test_a_client_that_nobody_can_take_is_let_go(street: Street) -> None:
    with street.balancer.open_to(FakeTaker(is_able=False)):
        (client,) = await street.come(1)
        assert await asyncio.to_thread(client.recv, 1) == b""


async def test_clients_wait_until_there_is_somebody_again(street: Street) -> None:
    gone, next_one = FakeTaker(), FakeTaker()
    with street.balancer.open_to(gone):
        await street.come(1)
        await wait_until(lambda: gone.clients == 1)
    await street.come(2)
    with street.balancer.open_to(next_one):
        await wait_until(lambda: next_one.clients == 2)
    assert gone.clients == 1
