"""Scans of the keys of a projection, in pages: Redis serves other clients between two of them."""

from collections.abc import AsyncIterator
from typing import Any, Final

from projector.keys import Keyspace
from projector.redis import Redis
from projector.redis.errors import translate_errors

PAGE: Final = 200
"""The number of keys that Redis examines in one command."""


async def scan_keys(redis: Redis, pattern: str) -> AsyncIterator[list[str]]:
    """Yield every key that matches a pattern at least once, in pages that are never empty.

    Raises `UnavailableError`.
    """
    cursor: int | None = None
    while cursor != 0:
        with translate_errors():
            reply: Any = await redis.scan(cursor or 0, match=pattern, count=PAGE)
        cursor, page = reply
        if page:
            yield [key.decode() for key in page]


async def scan_keyspace(redis: Redis, keyspace: Keyspace) -> AsyncIterator[list[str]]:
    """Yield every key of a projection, as `scan_keys` does."""
    async for page in scan_keys(redis, keyspace.every):
        yield page


async def remove_keyspace(redis: Redis, keyspace: Keyspace) -> None:
    """Remove every key of a projection; raises `UnavailableError`."""
    async for page in scan_keyspace(redis, keyspace):
        with translate_errors():
            await redis.unlink(*page)
