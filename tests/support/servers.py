"""The Kafka and the Redis that tests run on: the environment's, or Docker's, or the embedded ones.

`HEADCOUNT_TEST_KAFKA` names bootstrap servers; tests add topics of their own to it, and leave them there.
`HEADCOUNT_TEST_REDIS_URL` names a Redis; tests empty the one database that the URL names, and then are to
run in one process (`PYTEST_ARGS=tests`). If it names none, they empty number 15, and 14 and 13 for two
more processes.
"""

import asyncio
import os
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Generic, TypeVar
from urllib.parse import urlsplit

from embedded import EmbeddedKafka, EmbeddedValkey
from embedded.ports import LOOPBACK
from embedded.server import EmbeddedServer
from tests.support.containers import KAFKA_IMAGE, REDIS_IMAGE, can_run, kafka_container, redis_container
from tests.support.redis_users import administrator_url, make_users

_DATABASE: Final = 15
_Server = TypeVar("_Server", bound=EmbeddedServer)


@contextmanager
def kafka_bootstrap_servers(home: Path) -> Iterator[str]:
    """Yield the address of a Kafka, having started one in `home` if there is no other."""
    if given := os.environ.get("HEADCOUNT_TEST_KAFKA"):
        yield given
    elif can_run(KAFKA_IMAGE):
        with kafka_container() as address:
            yield address
    else:
        with running(EmbeddedKafka(home=home)) as kafka:
            yield kafka.bootstrap_servers


@contextmanager
def redis_url(home: Path) -> Iterator[str]:
    """Yield the URL of a Redis database that is for tests to empty, as its administrator."""
    if given := os.environ.get("HEADCOUNT_TEST_REDIS_URL"):
        yield with_database(given)
    elif can_run(REDIS_IMAGE):
        with redis_container(make_users(home / "users")) as address:
            yield administrator_url(address)
    else:
        users = make_users(home / "users")
        with running(EmbeddedValkey(home=home, options={"aclfile": str(users)})) as valkey:
            yield administrator_url(f"{LOOPBACK}:{valkey.port}")


def with_database(url: str) -> str:
    """Name a database that nobody uses by accident, in a URL that names none."""
    database = _DATABASE - int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return url if "db=" in parts.query else f"{url}{'&' if parts.query else '?'}db={database}"
    return url if parts.path.strip("/") else parts._replace(path=f"/{database}").geturl()


class Servers(Generic[_Server]):
    """Private servers of one test, each on a home of its own unless one is given; all killed after it."""

    def __init__(self, kind: type[_Server], homes: Iterator[Path]) -> None:
        self._kind = kind
        self._homes = homes
        self._made: list[_Server] = []

    def __call__(self, **options: Any) -> _Server:  # noqa: ANN401 - the server's own keywords
        """Make a server that is not started yet."""
        server = self._kind(**{"home": next(self._homes), **options})
        self._made.append(server)
        return server

    async def start(self, **options: Any) -> _Server:  # noqa: ANN401 - the server's own keywords
        """Make a server and start it."""
        server = self(**options)
        await server.start()
        return server

    def kill(self) -> None:
        """End them all."""
        for server in self._made:
            server.kill()


@contextmanager
def running(server: _Server) -> Iterator[_Server]:
    _run(server.start())
    try:
        yield server
    finally:
        _run(server.stop())


def _run(step: Coroutine[object, object, None]) -> None:
    # With a factory the runner leaves the thread's current loop alone, which is pytest's to set.
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(step)
