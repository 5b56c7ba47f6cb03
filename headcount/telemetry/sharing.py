"""Sums the metrics of several API processes through shared files of prometheus_client."""

import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    ExitStack,
    asynccontextmanager,
    contextmanager,
    nullcontext,
)
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.aiohttp import make_aiohttp_handler
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from headcount.telemetry.port import Port, api_port_of, open_port
from headcount.wiring import Config
from ingest.errors import OperatorError

FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
"""prometheus_client reads it when it is imported, so it must be set before a process starts."""


@contextmanager
def summed(registry: CollectorRegistry, environ: Mapping[str, str]) -> Iterator[CollectorRegistry]:
    """Yield the registry to export: the sum of all processes, or this process if no folder is set."""
    if FOLDER not in environ:
        yield registry
        return
    folder = Path(environ[FOLDER])
    try:
        yield summed_registry(folder)
    finally:
        forget(folder, os.getpid())


def summed_registry(folder: Path) -> CollectorRegistry:
    """Return a registry with the sum of all processes that share the folder."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, os.fspath(folder))  # type: ignore[no-untyped-call]  # untyped in the library
    return registry


def forget(folder: Path, pid: int) -> None:
    """Remove the gauges of an ended process; its counters stay."""
    mark_process_dead(pid, os.fspath(folder))  # type: ignore[no-untyped-call]  # as above


@contextmanager
def emptied_folder(environ: Mapping[str, str]) -> Iterator[Path]:
    """Yield an emptied folder: the one named by the environment, or a temporary one.

    Files of an earlier run would be added to the sums.
    """
    with ExitStack() as stack:
        try:
            folder = _empty(Path(environ[FOLDER])) if FOLDER in environ else _temporary(stack)
        except OSError as error:
            raise OperatorError(
                f"Metrics of several processes need a writable folder: {error.strerror}. "
                f"Set {FOLDER} to one, or API_METRICS_PORT to off."
            ) from error
        yield folder


def _empty(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for file in folder.glob("*.db"):
        file.unlink()
    return folder


def _temporary(stack: ExitStack) -> Path:
    return Path(stack.enter_context(TemporaryDirectory(prefix="headcount-metrics-")))


log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class CommonMetrics:
    """The environment for child processes, and the function to call when a child has ended."""

    environ: Mapping[str, str]
    forget: Callable[[int], None]


def common_port(config: Config, environ: Mapping[str, str]) -> AbstractAsyncContextManager[CommonMetrics]:
    """Serve the summed metrics of child processes for the duration of the block; nothing if the port is off.

    Raises `OperatorError` if the port is taken, or if there is no writable folder for the metrics.
    """
    port = api_port_of(config)
    if port is None:
        return nullcontext(CommonMetrics(environ, lambda _pid: None))
    return _serving(port, environ)


@asynccontextmanager
async def _serving(port: Port, environ: Mapping[str, str]) -> AsyncIterator[CommonMetrics]:
    with emptied_folder(environ) as folder:
        app = web.Application()
        app.add_routes([web.get("/metrics", make_aiohttp_handler(summed_registry(folder)))])
        async with open_port(port, app) as url:
            log.info("serving metrics", url=f"{url}/metrics")
            yield CommonMetrics({**environ, FOLDER: os.fspath(folder)}, partial(forget, folder))
