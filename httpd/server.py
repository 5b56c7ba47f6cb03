"""The server: an application on a port, behind every configured limit."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Final

from aiohttp import web

from httpd.acceptor import Acceptor
from httpd.body_limit import Handler, limit_bodies
from httpd.connection import Connection
from httpd.connection_limits import ConnectionLimits
from httpd.limits import HttpConfig, Limits
from httpd.listener import accepting, bound, url_of
from httpd.preflight import require_c_parser, require_open_files
from httpd.request_checks import check_requests
from httpd.stats import ConnectionStats

SHUTDOWN_SECONDS: Final = 5
_LOOKS_A_TIMEOUT: Final = 4
_LOOK_SECONDS: Final = 1.0


Entrance = Callable[[HttpConfig, Acceptor], AbstractAsyncContextManager[str]]
"""Accepts connections for the duration of its block and yields the URL that clients use."""


Wrap = Callable[[Handler], Handler]
"""Puts something in front of the server's request handler."""


def unwrapped(handle: Handler) -> Handler:
    """Return the handler as it is."""
    return handle


@asynccontextmanager
async def own_port(config: HttpConfig, acceptor: Acceptor) -> AsyncIterator[str]:
    """Accept on the configured port; raises `OperatorError` if it cannot be bound."""
    async with bound(config.host, config.port) as sockets:
        with accepting(sockets, acceptor.receive):
            yield url_of(sockets[0])


@asynccontextmanager
async def listening(
    app: web.Application,
    config: HttpConfig,
    stats: ConnectionStats,
    *,
    entrance: Entrance = own_port,
    wrap: Wrap = unwrapped,
) -> AsyncIterator[str]:
    """Serve the app for the duration of the block and yield its URL; `stats` is updated meanwhile.

    `wrap` may put a fast path in front of the app's handler. Raises `OperatorError` if the port cannot be
    bound or the process cannot hold `config.limits.connections` open files.
    """
    require_c_parser()
    require_open_files(config.limits.connections)
    limits = config.limits
    runner = web.AppRunner(app, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        acceptor = _acceptor(runner, config, stats, wrap)
        async with _looking_at_the_clock(acceptor, limits), entrance(config, acceptor) as url:
            yield url
    finally:
        await runner.cleanup()


def _acceptor(runner: web.AppRunner, config: HttpConfig, stats: ConnectionStats, wrap: Wrap) -> Acceptor:
    limits = config.limits
    server = runner.server
    assert server is not None  # noqa: S101  it is there once the runner is set up
    handle = limit_bodies(wrap(server.request_handler), limits)
    server.request_handler = check_requests(handle)
    build = partial(Connection, server, limits, stats)
    return Acceptor(ConnectionLimits(limits, stats), stats, config.trusted_proxies, build)


@asynccontextmanager
async def _looking_at_the_clock(acceptor: Acceptor, limits: Limits) -> AsyncIterator[None]:
    # One look at all connections now and then, since a timer for each would cost every request.
    interval = min(_LOOK_SECONDS, limits.shortest_seconds / _LOOKS_A_TIMEOUT)
    # In a group with the block: a server that no longer looks must end, not go on without its bounds.
    async with asyncio.TaskGroup() as group:
        looking = group.create_task(_look(acceptor, interval))
        try:
            yield
        finally:
            looking.cancel()


async def _look(acceptor: Acceptor, interval: float) -> None:
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(interval)
        acceptor.end_overdue(loop.time())
