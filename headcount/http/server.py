"""The server: an application on a port, behind every bound that the settings give."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Final

from aiohttp import web

from headcount.http.bodies import refuse_bodies
from headcount.http.connection import Connection
from headcount.http.door import Door, Doorkeeper
from headcount.http.limits import Limits
from headcount.http.requirements import require_c_parser, require_open_files
from headcount.http.room import Room
from headcount.http.tally import ConnectionTally
from headcount.settings import Settings
from ingest.errors import RefusedError

SHUTDOWN_SECONDS: Final = 5
_LOOKS_A_TIMEOUT: Final = 4
_LOOK_SECONDS: Final = 1.0


@asynccontextmanager
async def listening(app: web.Application, settings: Settings, tally: ConnectionTally) -> AsyncIterator[str]:
    """Serve the app as long as the block, yielding the URL; `tally` is counted up meanwhile.

    Raises `RefusedError` if the port can't be had, or if the process could not keep its bounds.
    """
    require_c_parser()
    require_open_files(settings.http_max_connections)
    runner = web.AppRunner(app, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        async with _bound(_doorkeeper(runner, settings, tally), settings) as url:
            yield url
    finally:
        await runner.cleanup()


def _doorkeeper(runner: web.AppRunner, settings: Settings, tally: ConnectionTally) -> Doorkeeper:
    limits = Limits.of(settings)
    server = runner.server
    assert server is not None  # noqa: S101  it is there once the runner is set up
    server.request_handler = refuse_bodies(server.request_handler, limits, tally)
    build = partial(Connection, server, limits, tally)
    return Doorkeeper(Room(limits, tally), tally, settings.trusted_proxies, build)


@asynccontextmanager
async def _bound(keeper: Doorkeeper, settings: Settings) -> AsyncIterator[str]:
    server = await _bind(keeper, settings)
    try:
        with _looking_at_the_clock(keeper, Limits.of(settings)):
            host, port = server.sockets[0].getsockname()[:2]
            yield f"http://{f'[{host}]' if ':' in host else host}:{port}"
    finally:
        server.close()


async def _bind(keeper: Doorkeeper, settings: Settings) -> asyncio.Server:
    loop = asyncio.get_running_loop()
    try:
        return await loop.create_server(partial(Door, keeper), settings.http_host, settings.http_port)
    except OSError as error:
        raise RefusedError(
            f"HTTP_PORT {settings.http_port} on {settings.http_host} can't be listened on: {_cause(error)}. "
            "Free it, or set HTTP_PORT to another one."
        ) from error


@contextmanager
def _looking_at_the_clock(keeper: Doorkeeper, limits: Limits) -> Iterator[None]:
    # One look at all connections now and then, since a timer for each would cost every request.
    interval = min(_LOOK_SECONDS, limits.shortest_seconds / _LOOKS_A_TIMEOUT)
    looking = asyncio.create_task(_look(keeper, interval))
    try:
        yield
    finally:
        looking.cancel()


async def _look(keeper: Doorkeeper, interval: float) -> None:
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(interval)
        keeper.end_overdue(loop.time())


def _cause(error: OSError) -> str:
    """Say it as the system does; asyncio's own words around it name the address again."""
    return os.strerror(error.errno).lower() if error.errno else str(error)
