"""Several processes as one: the folder of files through which the library adds their metrics up."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
"""The library reads it when it is imported: whoever starts several processes sets it before."""


@contextmanager
def shared(registry: CollectorRegistry, environ: Mapping[str, str]) -> Iterator[CollectorRegistry]:
    """Yield what is to be shown: the processes' metrics together, or this one's where it is alone."""
    if FOLDER not in environ:
        yield registry
        return
    together = CollectorRegistry()
    MultiProcessCollector(together)  # type: ignore[no-untyped-call]  # the library leaves this one untyped
    try:
        yield together
    finally:
        mark_process_dead(os.getpid())  # type: ignore[no-untyped-call]  # likewise
