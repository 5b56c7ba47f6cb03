"""Listening: every address of the host on one port, and errors that name the cause."""

import errno
import socket
from typing import Any

import pytest

from httpd.listener import bound, url_of
from ingest.errors import OperatorError
from tests.support.waiting import scaled


def connect(host: str, port: int) -> None:
    socket.create_connection((host, port), timeout=scaled(5)).close()


def resolve_as(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Make every name resolve to the addresses."""

    def answer(_host: object, port: int, *_: object, **__: object) -> list[tuple[Any, ...]]:
        return [
            (
                socket.AF_INET6 if ":" in address else socket.AF_INET,
                socket.SOCK_STREAM,
                6,
                "",
                (address, port, 0, 0) if ":" in address else (address, port),
            )
            for address in addresses
        ]

    monkeypatch.setattr(socket, "getaddrinfo", answer)


async def test_all_addresses_of_a_host_share_one_free_port(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_as(monkeypatch, "127.0.0.1", "127.0.0.2", "127.0.0.3")
    async with bound("localhost", 0) as sockets:
        ports = {listening.getsockname()[1] for listening in sockets}
        assert (len(sockets), len(ports)) == (3, 1)
        assert url_of(sockets[0]) == f"http://127.0.0.1:{ports.pop()}"


async def test_an_address_that_is_not_local_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as ::1 of `localhost` in a container without IPv6."""
    resolve_as(monkeypatch, "192.0.2.1", "127.0.0.1")
    async with bound("localhost", 0) as sockets:
        assert [listening.getsockname()[0] for listening in sockets] == ["127.0.0.1"]


async def test_localhost_is_reached_by_its_name() -> None:
    async with bound("localhost", 0) as sockets:
        connect("localhost", sockets[0].getsockname()[1])


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
async def test_the_wildcard_address_accepts_ipv4_and_ipv6() -> None:
    async with bound("::", 0) as sockets:
        port = sockets[0].getsockname()[1]
        connect("127.0.0.1", port)
        connect("::1", port)
        assert url_of(sockets[0]) == f"http://[::]:{port}"


@pytest.mark.parametrize(
    ("host", "problem"),
    [
        (
            "192.0.2.1",
            "HTTP_HOST 192.0.2.1 is not an address of this machine: cannot assign requested address.",
        ),
        ("2001:db8::1", "HTTP_HOST 2001:db8::1 is not an address of this machine: "),
        ("nowhere.invalid", "HTTP_HOST nowhere.invalid cannot be resolved: "),
        ("a..b", "HTTP_HOST a..b cannot be resolved: "),
    ],
)
async def test_a_wrong_host_is_not_blamed_on_the_port(host: str, problem: str) -> None:
    with pytest.raises(OperatorError) as caught:
        async with bound(host, 0):
            pass
    assert str(caught.value).startswith(problem)
    assert "HTTP_PORT" not in str(caught.value)
    assert "Set HTTP_HOST to an address of this machine" in str(caught.value)


async def test_a_taken_port_is_blamed_on_the_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(OperatorError, match=rf"^HTTP_PORT {port} on 127.0.0.1 is not available: "):
            async with bound("127.0.0.1", port):
                pass


async def test_a_port_that_needs_a_privilege_is_named_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbid(*_: object, **__: object) -> socket.socket:
        raise OSError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(socket, "create_server", forbid)
    with pytest.raises(OperatorError, match="set HTTP_PORT to 1024 or above"):
        async with bound("127.0.0.1", 80):
            pass
