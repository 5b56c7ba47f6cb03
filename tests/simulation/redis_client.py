"""A client of the fake Redis: the part of `redis.asyncio.Redis` that the projector uses."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Self

from tests.simulation.network import Way
from tests.simulation.redis_scripts import SCRIPTS, Reply
from tests.simulation.redis_server import RedisServer
from tests.simulation.store import Store


class FakeRedis:
    """Speaks to one server, by a name that only the server's observer knows."""

    def __init__(self, server: RedisServer, way: Way, name: str = "client") -> None:
        self._server = server
        self._way = way
        self._name = name

    def register_script(self, text: str) -> "FakeScript":
        return FakeScript(self._way, text, partial(self._server.run_script, self._name, text))

    def pipeline(self, *, transaction: bool) -> "FakePipeline":
        assert transaction
        return FakePipeline(self._server, self._way)

    async def type(self, _key: str) -> bytes:
        return b"string"  # a count asks for the type first; the fake has but one kind of counter

    async def hgetall(self, key: str) -> dict[bytes, bytes]:
        return await self._way.request(
            "hgetall", lambda: dict(self._server.store.hashes.get(encode(key), {}))
        )

    async def hmget(self, key: str, names: Sequence[str]) -> list[bytes | None]:
        store = self._server.store
        return await self._way.request(
            "hmget", lambda: [store.hget(encode(key), encode(name)) for name in names]
        )

    async def hset(self, key: str, name: str, value: str) -> None:
        def write(store: Store) -> None:
            store.hset(encode(key), encode(name), encode(value))

        await self._way.request("hset", lambda: self._server.run_transaction([write]))

    async def pfcount(self, key: str) -> int:
        return await self._way.request("pfcount", lambda: self._server.store.pfcount(encode(key)))

    async def time(self) -> tuple[int, int]:
        return await self._way.request("time", self._server.time)

    async def info(self, _section: str) -> dict[str, Any]:
        return await self._way.request(
            "info", lambda: {"redis_version": "8.0.0", "maxmemory_policy": "noeviction"}
        )


class FakeScript:
    """A script, called with keys and arguments of any type that redis-py takes."""

    def __init__(self, way: Way, text: str, run: Callable[[Sequence[bytes], Sequence[bytes]], Reply]) -> None:
        self._way = way
        self._name = SCRIPTS[text].__name__
        self._run = run

    async def __call__(self, keys: Sequence[Any] = (), args: Sequence[Any] = ()) -> Reply:
        encoded = [encode(key) for key in keys], [encode(argument) for argument in args]
        name = f"{self._name} {' '.join(map(str, args[:4]))}"
        return await self._way.request(name, lambda: self._run(*encoded))


class FakePipeline:
    """A transaction: its commands are sent together, and done together."""

    def __init__(self, server: RedisServer, way: Way) -> None:
        self._server = server
        self._way = way
        self._commands: list[Callable[[Store], object]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._commands = []

    def hget(self, key: str, name: str) -> None:
        self._commands.append(lambda store: store.hget(encode(key), encode(name)))

    def smembers(self, _key: str) -> None:
        self._commands.append(lambda _: set())  # no user is forgotten here

    def hgetall(self, key: str) -> None:
        self._commands.append(lambda store: dict(store.hashes.get(encode(key), {})))

    def hsetnx(self, key: str, name: str, value: str) -> None:
        self._commands.append(lambda store: store.hsetnx(encode(key), encode(name), encode(value)))

    def lrange(self, key: str, first: int, last: int) -> None:
        assert (first, last) == (0, -1)
        self._commands.append(lambda store: list(store.lists.get(encode(key), [])))

    async def execute(self) -> list[object]:
        commands, self._commands = self._commands, []
        return await self._way.request("transaction", lambda: self._server.run_transaction(commands))


def encode(value: object) -> bytes:
    """Encode as redis-py does."""
    if isinstance(value, bytes):
        return value
    assert isinstance(value, str | int)
    return str(value).encode()
