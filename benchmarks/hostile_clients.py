"""Hostile clients, in a process of their own: each kind repeats one attack and reports the outcome.

python -m benchmarks.hostile_clients KIND PORT SECONDS
"""

import asyncio
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import orjson

from api.endpoints.weekly_data.contract import WEEKLY_DATA_PATH

ADDRESS: Final = "127.0.0.1"
_PAUSE_SECONDS: Final = 0.01
_GET: Final = b"GET /livez HTTP/1.1\r\nHost: hostile\r\n"
_END: Final = b"\r\n\r\n"
_WRONG_TOKEN: Final = (
    f"GET {WEEKLY_DATA_PATH}?start=2023-05-19T00:00:00.000Z HTTP/1.1\r\n"
    "Host: hostile\r\nx-user-id: guest\r\nx-auth-token: guessed\r\n\r\n"
).encode()


@dataclass(frozen=True, slots=True)
class Hostile:
    """One connection of a hostile client."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def outcome(self) -> str:
        """Wait for what the server does: the status of an answer, or how it ended the connection."""
        head = await self.reader.read(4_096)
        return head.split()[1].decode() if head else "closed"


async def drip_a_head(client: Hostile) -> str:
    client.writer.write(_GET + b"X: ")
    while True:
        client.writer.write(b"x")  # the outcome shows what was not sent
        with suppress(TimeoutError):
            async with asyncio.timeout(0.1):
                return await client.outcome()


async def idle(client: Hostile) -> str:
    await client.send(_GET + b"\r\n")
    first = await client.outcome()
    return f"{first}, then {await client.outcome()}" if first == "200" else first


async def send_oversize_head(client: Hostile) -> str:
    await client.send(_GET + b"X: " + b"x" * 64_000 + _END)
    return await client.outcome()


async def flood_with_requests(client: Hostile) -> str:
    await client.send((_GET + b"\r\n") * 1_000)
    return await client.outcome()


async def only_connect(client: Hostile) -> str:
    try:
        async with asyncio.timeout(1):
            return await client.outcome()
    except TimeoutError:
        return "held"


async def send_a_body(client: Hostile) -> str:
    await client.send(_GET + b"Content-Length: 100000000" + _END + b"x" * 64_000)
    return await client.outcome()


async def guess_a_token(client: Hostile) -> str:
    await client.send(_WRONG_TOKEN)
    return await client.outcome()


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of hostile client; so many of them at once try again until the time is over."""

    act: Callable[[Hostile], Awaitable[str]]
    at_once: int


KINDS: Final[Mapping[str, Kind]] = {
    "slow heads": Kind(drip_a_head, 150),
    "idle connections": Kind(idle, 150),
    "oversize heads": Kind(send_oversize_head, 10),
    "pipelining flood": Kind(flood_with_requests, 10),
    "connection flood": Kind(only_connect, 300),
    "bodies on GET": Kind(send_a_body, 10),
    "wrong tokens": Kind(guess_a_token, 10),
}


async def attack(kind: Kind, port: int, seconds: float) -> Counter[str]:
    """Be hostile for a while; what a client was still waiting for at the end is counted as open."""
    got: Counter[str] = Counter()
    clients = {asyncio.create_task(_go_on(kind, port, got)) for _ in range(kind.at_once)}
    _, waiting = await asyncio.wait(clients, timeout=seconds)
    for client in waiting:
        client.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    return got


async def _go_on(kind: Kind, port: int, got: Counter[str]) -> None:
    while True:
        got[await _try(kind, port)] += 1
        await asyncio.sleep(_PAUSE_SECONDS)


async def _try(kind: Kind, port: int) -> str:
    try:
        reader, writer = await asyncio.open_connection(ADDRESS, port)
    except OSError:
        return "not connected"
    try:
        return await kind.act(Hostile(reader, writer))
    except ConnectionError:
        return "reset"
    finally:
        writer.close()


if __name__ == "__main__":
    name, port, seconds = sys.argv[1:]
    sys.stdout.write("\n")  # startup is complete and no longer affects measurements
    sys.stdout.flush()
    outcomes = asyncio.run(attack(KINDS[name], int(port), float(seconds)))
    sys.stdout.buffer.write(orjson.dumps(outcomes))
