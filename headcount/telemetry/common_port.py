"""The port of a parent that shows the metrics of its children, which have no port for that."""

import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from functools import partial

import structlog
from aiohttp import web
from prometheus_client.aiohttp import make_aiohttp_handler

from headcount.telemetry.port import Port, api_port_of, open_port
from headcount.telemetry.sharing import FOLDER, emptied_folder, forget, together
from headcount.wiring import Config

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class CommonMetrics:
    """What a child is to be started with, and what to do once it has ended."""

    environ: Mapping[str, str]
    forget: Callable[[int], None]


def common_port(config: Config, environ: Mapping[str, str]) -> AbstractAsyncContextManager[CommonMetrics]:
    """Show what children measure, as long as the block; nothing if the port is off.

    Raises `RefusedError` if the port can't be had, or no folder for what they measure.
    """
    port = api_port_of(config)
    if port is None:
        return nullcontext(CommonMetrics(environ, lambda _pid: None))
    return _serving(port, environ)


@asynccontextmanager
async def _serving(port: Port, environ: Mapping[str, str]) -> AsyncIterator[CommonMetrics]:
    with emptied_folder(environ) as folder:
        app = web.Application()
        app.add_routes([web.get("/metrics", make_aiohttp_handler(together(folder)))])
        async with open_port(port, app) as url:
            log.info("metrics can be read", url=f"{url}/metrics")
            yield CommonMetrics({**environ, FOLDER: os.fspath(folder)}, partial(forget, folder))
