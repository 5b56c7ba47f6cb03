"""Several processes as one: the folder of files through which the library adds their metrics up."""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

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
