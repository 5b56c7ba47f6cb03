"""A port for whoever watches over a process, apart from the one that its clients use."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

import structlog
from aiohttp import web

from headcount.wiring import Config
from httpd.listener import Names, bound, url_of
from httpd.server_log import server_logger

SHUTDOWN_SECONDS: Final = 1

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Port:
    """Where to listen, and the setting that says so; port 0 takes a free one."""

    host: str
    number: int
    setting: str


def worker_port_of(config: Config) -> Port | None:
    """Return where a worker tells of itself, None if nowhere."""
    number = config.telemetry.worker_metrics_port
    return None if number is None else Port(config.telemetry.metrics_host, number, "WORKER_METRICS_PORT")


def api_port_of(config: Config) -> Port | None:
    """Return where the API tells of itself, None if nowhere."""
    number = config.telemetry.api_metrics_port
    return None if number is None else Port(config.telemetry.metrics_host, number, "API_METRICS_PORT")


async def check_ports(config: Config) -> None:
    """Raise `OperatorError` if worker and API could not have their ports at the same time."""
    async with AsyncExitStack() as opened:
        for port in filter(None, (worker_port_of(config), api_port_of(config))):
            await opened.enter_async_context(open_port(port, web.Application()))


@asynccontextmanager
async def open_port(port: Port, app: web.Application) -> AsyncIterator[str]:
    """Serve the app as long as the block, yielding its URL.

    Raises `OperatorError` if the port can't be had.
    """
    runner = web.AppRunner(app, access_log=None, logger=server_logger(), shutdown_timeout=SHUTDOWN_SECONDS)
    names = Names(host="METRICS_HOST", port=port.setting, alternative=", or to off")
    async with bound(port.host, port.number, names) as sockets:
        await runner.setup()
        try:
            for listening in sockets:
                await web.SockSite(runner, listening).start()
            yield url_of(sockets[0])
        finally:
            await runner.cleanup()  # before the sockets are closed: it has the event loop look at them
