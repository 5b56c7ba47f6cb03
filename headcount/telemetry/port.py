"""The port of metrics and health, separate from the port of the API's clients."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

import structlog
from aiohttp import web

from headcount.wiring import Config
from httpd.listener import PortSettings, bound, url_of
from httpd.server_log import server_logger

SHUTDOWN_SECONDS: Final = 1

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Port:
    """The address to listen on, and the setting of the port; port 0 is any free port."""

    host: str
    number: int
    setting: str


def worker_port_of(config: Config) -> Port | None:
    """Return the port of a worker's metrics and health, None if it is off."""
    number = config.telemetry.worker_metrics_port
    return None if number is None else Port(config.telemetry.metrics_host, number, "WORKER_METRICS_PORT")


def api_port_of(config: Config) -> Port | None:
    """Return the port of the API's metrics, None if it is off."""
    number = config.telemetry.api_metrics_port
    return None if number is None else Port(config.telemetry.metrics_host, number, "API_METRICS_PORT")


async def check_ports(config: Config) -> None:
    """Raise `OperatorError` unless the ports of worker and API are free at the same time."""
    async with AsyncExitStack() as opened:
        for port in filter(None, (worker_port_of(config), api_port_of(config))):
            await opened.enter_async_context(open_port(port, web.Application()))


@asynccontextmanager
async def open_port(port: Port, app: web.Application) -> AsyncIterator[str]:
    """Serve the app for the duration of the block and yield its URL.

    Raises `OperatorError` if the port is taken.
    """
    runner = web.AppRunner(app, access_log=None, logger=server_logger(), shutdown_timeout=SHUTDOWN_SECONDS)
    settings = PortSettings(host="METRICS_HOST", port=port.setting, alternative=", or to off")
    async with bound(port.host, port.number, settings) as sockets:
        await runner.setup()
        try:
            for listening in sockets:
                await web.SockSite(runner, listening).start()
            yield url_of(sockets[0])
        finally:
            await runner.cleanup()  # before they are closed: it unregisters the sockets from the loop
