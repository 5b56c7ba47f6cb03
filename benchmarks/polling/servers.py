"""The servers that take part, each a process of its own."""

from collections.abc import AsyncIterator
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from itertools import chain
from typing import Final

from benchmarks.polling.handlers import Kind
from benchmarks.serving import Server, free_port, serving

ENVIRONMENT: Final = {"HTTP_REQUESTS_PER_MINUTE": "1000000", "LOG_LEVEL": "error"}
"""Rate limits are on and count, high enough that no request is rejected. Everything else has its default."""


@asynccontextmanager
async def api(url: str, cores: AbstractSet[int], *options: str) -> AsyncIterator[Server]:
    """Start Headcount's API as an operator does; `url` is that of Redis."""
    port = free_port()
    own = {"REDIS_URL": url, "HTTP_PORT": str(port), "API_METRICS_PORT": "0"}
    arguments = ("-m", "headcount", "api", *options)
    async with serving(arguments, {**ENVIRONMENT, **own}, port=port, cores=cores) as server:
        yield server


@asynccontextmanager
async def handler(kind: Kind, *, url: str, cores: AbstractSet[int], body: bytes) -> AsyncIterator[Server]:
    """Start one of the handlers that the API is held against."""
    port = free_port()
    options = {"--port": str(port), "--redis": url, "--body": body.decode()}
    arguments = ("-m", "benchmarks.polling.handlers", kind, *chain.from_iterable(options.items()))
    async with serving(arguments, {}, port=port, cores=cores) as server:
        yield server
