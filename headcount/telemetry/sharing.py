"""Several processes as one: the folder of files through which the library adds their metrics up."""

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
"""The library reads it when it is imported: whoever starts several processes sets it before."""


@contextmanager
def shared(registry: CollectorRegistry, environ: Mapping[str, str]) -> Iterator[CollectorRegistry]:
    """Yield what is to be shown: the processes' metrics together, or this one's where it is alone."""
    if FOLDER not in environ:
        yield registry
        return
    folder = Path(environ[FOLDER])
    try:
        yield together(folder)
    finally:
        forget(folder, os.getpid())


def together(folder: Path) -> CollectorRegistry:
    """Return the sum of what all processes that share the folder have measured."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, os.fspath(folder))  # type: ignore[no-untyped-call]  # as the library has it
    return registry


def forget(folder: Path, pid: int) -> None:
    """Take out what an ended process has open no more; what it has counted stays."""
    mark_process_dead(pid, os.fspath(folder))  # type: ignore[no-untyped-call]  # likewise


@contextmanager
def emptied_folder(environ: Mapping[str, str]) -> Iterator[Path]:
    """Yield an empty folder: the one that the environment names, or else one that lasts as long as the block.

    What processes of an earlier run have left in there would be counted on.
    """
    with ExitStack() as stack:
        try:
            folder = _empty(Path(environ[FOLDER])) if FOLDER in environ else _temporary(stack)
        except OSError as error:
            raise OperatorError(
                f"There is no folder for the metrics of several processes: {error.strerror}. "
                f"Set {FOLDER} to one that can be written to, or API_METRICS_PORT to off."
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
