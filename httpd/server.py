"""The server: an application on a port, with all configured limits and the checks of its environment."""

import asyncio
import resource
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Final

from aiohttp import http_parser, web

from httpd.acceptor import Acceptor, ConnectionLimits
from httpd.connection import Connection
from httpd.limits import HttpConfig, Limits
from httpd.listener import accepting, bound, url_of
from httpd.request_checks import BodyLimitOf, Handler, check_requests, limit_bodies
from httpd.stats import ConnectionStats
from ingest.errors import OperatorError

SHUTDOWN_SECONDS: Final = 5
_CHECKS_PER_TIMEOUT: Final = 4
_MAX_CHECK_SECONDS: Final = 1.0
_OTHER_FILES: Final = 200
"""Files other than clients' connections: connections to Redis, and connections that are being closed."""


Entrance = Callable[[HttpConfig, Acceptor], AbstractAsyncContextManager[str]]
"""Accepts connections for the duration of its block and yields the URL that clients use."""


Wrap = Callable[[Handler], Handler]
"""Returns a handler that is called instead of the server's request handler, and may call it."""


def unwrapped(handle: Handler) -> Handler:
    """Return the handler unchanged."""
    return handle


def default_body_limit(_path: str) -> None:
    """Give every path the configured body limit."""


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
    body_limit_of: BodyLimitOf = default_body_limit,
) -> AsyncIterator[str]:
    """Serve the app for the duration of the block and yield its URL; `stats` is updated meanwhile.

    `wrap` may put a fast path in front of the app's handler; `body_limit_of` may set the body limits of
    paths. Raises `OperatorError` if the port cannot be bound or the process cannot have
    `config.limits.connections` open files.
    """
    require_c_parser()
    require_open_files(config.limits.connections)
    limits = config.limits
    runner = web.AppRunner(app, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        server = runner.server
        assert server is not None  # noqa: S101  it exists once the runner is set up
        handle = limit_bodies(wrap(server.request_handler), limits, body_limit_of)
        server.request_handler = check_requests(handle)
        build = partial(Connection, server, limits, stats)
        acceptor = Acceptor(ConnectionLimits(limits, stats), stats, config.trusted_proxies, build)
        async with _ending_overdue(acceptor, limits), entrance(config, acceptor) as url:
            yield url
    finally:
        await runner.cleanup()


@asynccontextmanager
async def _ending_overdue(acceptor: Acceptor, limits: Limits) -> AsyncIterator[None]:
    # One periodic check of all connections: a timer for each would cost every request.
    interval = min(_MAX_CHECK_SECONDS, limits.shortest_seconds / _CHECKS_PER_TIMEOUT)
    # In a group with the block: if the checks fail, the server must end and not continue without timeouts.
    async with asyncio.TaskGroup() as group:
        checks = group.create_task(_end_overdue(acceptor, interval))
        try:
            yield
        finally:
            checks.cancel()


async def _end_overdue(acceptor: Acceptor, interval: float) -> None:
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(interval)
        acceptor.end_overdue(loop.time())


def require_c_parser() -> None:
    """Raise `OperatorError` unless aiohttp parses requests in C.

    Its parser in Python is several times slower and accepts more malformed requests.
    """
    if http_parser.HttpRequestParser is http_parser.HttpRequestParserPy:
        raise OperatorError(
            "aiohttp runs without its C parser, so clients could overload it. "
            "Unset AIOHTTP_NO_EXTENSIONS, and install aiohttp from a wheel that is built for this system."
        )


def require_open_files(connections: int) -> None:
    """Raise the limit of open files to what so many connections need; raises `OperatorError` if it cannot."""
    needed = connections + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if not _allows(hard, needed):
        raise OperatorError(
            f"HTTP_MAX_CONNECTIONS is {connections}, but the process may have only {hard} files open. "
            f"Raise that limit to {needed} (ulimit -n, LimitNOFILE), or lower HTTP_MAX_CONNECTIONS."
        )
    if not _allows(soft, needed):
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def _allows(limit: int, needed: int) -> bool:
    return limit == resource.RLIM_INFINITY or limit >= needed
