"""The parent: it accepts clients and shows the metrics, and has children answer."""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from functools import partial
from typing import Final

import structlog

from headcount.signals import STOP_SECONDS
from headcount.telemetry.common_port import CommonMetrics, common_port
from headcount.wiring import Config
from httpd.listener import bound, url_of
from httpd.processes.balancer import Balancer
from httpd.processes.child import Child, running_child
from httpd.processes.supervisor import Pace, Supervisor

PROGRAM: Final = (sys.executable, "-P", "-m", "headcount.cli.api_process")
"""`-P` keeps the working directory off the path: a folder named `api` there must not be imported."""

log = structlog.get_logger(__name__)


async def serve_api_processes(
    config: Config, stopping: asyncio.Event, *, processes: int, environ: Mapping[str, str]
) -> None:
    """Have so many processes answer until the stop is asked for; each reads its settings from `environ`.

    Raises `OperatorError` if a port can't be had, or if the children don't stay.
    """
    async with common_port(config, environ) as metrics, asyncio.TaskGroup() as group:
        async with bound(config.http.host, config.http.port) as sockets:
            # Closed before the children end: who comes then is refused at once, and not left in a queue.
            with closing(Balancer(sockets)) as balancer:
                url = url_of(sockets[0])
                supervisor = Supervisor(partial(_measured_child, url, metrics), balancer.open_to, Pace())
                tell = partial(log.info, "listening", url=url, processes=processes)
                keeping = group.create_task(supervisor.keep(processes, tell))
                await stopping.wait()
        keeping.cancel()


@asynccontextmanager
async def _measured_child(url: str, metrics: CommonMetrics) -> AsyncIterator[Child]:
    async with running_child(url, metrics.environ, program=PROGRAM, stop_seconds=STOP_SECONDS) as child:
        yield child
    # A process that was killed can't say itself that its connections are gone.
    metrics.forget(child.pid)
