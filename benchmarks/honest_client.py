"""The honest client: asks at a steady rate from an address of its own, and takes the time of each answer."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

from api.endpoints.weekly_data.contract import WEEKLY_DATA_PATH

ADDRESS: Final = "127.0.0.2"
RATE: Final = 100
"""Requests a second."""
_REQUESTS_A_CONNECTION: Final = 10
_PATIENCE_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """How a client was served; times in milliseconds."""

    requests: int
    unserved: int
    p50: float
    p99: float

    @classmethod
    def of(cls, times: Sequence[float | None]) -> Self:
        """Summarise the times of requests in seconds, None for one that was not served."""
        ordered = sorted(time for time in times if time is not None)
        p50, p99 = (round(1_000 * ordered[int(len(ordered) * share)], 2) for share in (0.50, 0.99))
        return cls(requests=len(times), unserved=len(times) - len(ordered), p50=p50, p99=p99)


async def ask_steadily(port: int, headers: Mapping[str, str], seconds: float) -> Sequence[float | None]:
    """Ask for the weekly data, on a new connection now and then: honest clients come and go as well.

    The times are in seconds, None for a request that was not served. One runs from when the request was due,
    so that a slow answer also counts against those behind it.
    """
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    path = f"{WEEKLY_DATA_PATH}?start=2023-05-19T00:00:00.000Z"
    request = f"GET {path} HTTP/1.1\r\nHost: honest\r\n{lines}\r\n".encode()
    client = _Client(port, request)
    times: list[float | None] = []
    clock = asyncio.get_running_loop().time
    free = due = clock()
    for number in range(int(seconds * RATE)):
        due += 1 / RATE
        await asyncio.sleep(due - clock())
        began = due if free > due else clock()
        served = await client.ask(afresh=number % _REQUESTS_A_CONNECTION == 0)
        free = clock()
        times.append(free - began if served else None)
    client.close()
    return times


class _Client:
    def __init__(self, port: int, request: bytes) -> None:
        self._port = port
        self._request = request
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, *, afresh: bool) -> bool:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                if afresh or self._streams is None:
                    await self._connect()
                return await self._answer()
        except (OSError, asyncio.IncompleteReadError):
            self.close()
            return False

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
        self._streams = None

    async def _connect(self) -> None:
        self.close()
        self._streams = await asyncio.open_connection("127.0.0.1", self._port, local_addr=(ADDRESS, 0))

    async def _answer(self) -> bool:
        assert self._streams is not None  # noqa: S101  `ask` has connected
        reader, writer = self._streams
        writer.write(self._request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length: ")[2].split()[0])
        await reader.readexactly(length)
        return b" 200 " in head.split(b"\r\n")[0]
