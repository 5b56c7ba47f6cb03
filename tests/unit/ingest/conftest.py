"""Tests of ingest run in virtual time, in which a worker's waits take none."""

import asyncio
from collections.abc import Mapping

from tests.support.virtual_time import virtual_time


def pytest_asyncio_loop_factories() -> Mapping[str, type[asyncio.AbstractEventLoop]]:
    return virtual_time()
