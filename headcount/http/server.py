"""The server: an application on a port, behind every bound that the settings give."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Final

from aiohttp import web

from api.resources import PROMPT
from headcount.http.bodies import refuse_bodies
from headcount.http.connection import Connection
from headcount.http.door import Door
from headcount.http.limits import Limits
from headcount.http.listener import accepting, bound, url_of
from headcount.http.requirements import require_c_parser, require_open_files
from headcount.http.room import Room
from headcount.http.tally import ConnectionTally
from headcount.settings import Settings

SHUTDOWN_SECONDS: Final = 5
_LOOKS_A_TIMEOUT: Final = 4
_LOOK_SECONDS: Final = 1.0


Entrance = Callable[[Settings, Door], AbstractAsyncContextManager[str]]
"""Lets clients in at the door as long as its block, yielding the URL that they come to."""


@asynccontextmanager
async def own_port(settings: Settings, door: Door) -> AsyncIterator[str]:
    """Accept on the port that the settings name; raises `RefusedError` if it can't be had."""
    async with bound(settings.http_host, settings.http_port) as sockets:
        with accepting(sockets, door.receive):
            yield url_of(sockets[0])


@asynccontextmanager
async def listening(
    app: web.Application, settings: Settings, tally: ConnectionTally, *, entrance: Entrance = own_port
) -> AsyncIterator[str]:
    """Serve the app as long as the block, yielding the URL; `tally` is counted up meanwhile.

    Raises `RefusedError` if the port can't be had, or if the process could not keep its bounds.
    """
    require_c_parser()
    require_open_files(settings.http_max_connections)
    limits = Limits.of(settings)
    runner = web.AppRunner(app, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        door = _door(app, runner, settings, tally)
        async with _looking_at_the_clock(door, limits), entrance(settings, door) as url:
            yield url
    finally:
        await runner.cleanup()


def _door(app: web.Application, runner: web.AppRunner, settings: Settings, tally: ConnectionTally) -> Door:
    limits = Limits.of(settings)
    server = runner.server
    assert server is not None  # noqa: S101  it is there once the runner is set up
    handle = app[PROMPT].before(server.request_handler) if PROMPT in app else server.request_handler
    server.request_handler = refuse_bodies(handle, limits, tally)
    build = partial(Connection, server, limits, tally)
    return Door(Room(limits, tally), tally, settings.trusted_proxies, build)


@asynccontextmanager
async def _looking_at_the_clock(door: Door, limits: Limits) -> AsyncIterator[None]:
    # One look at all connections now and then, since a timer for each would cost every request.
    interval = min(_LOOK_SECONDS, limits.shortest_seconds / _LOOKS_A_TIMEOUT)
    # In a group with the block: a server that no longer looks must end, not go on without its bounds.
    async with asyncio.TaskGroup() as group:
        looking = group.create_task(_look(door, interval))
        try:
            yield
        finally:
            looking.cancel()


async def _look(door: Door, interval: float) -> None:
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(interval)
        door.end_overdue(loop.time())
