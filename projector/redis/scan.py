"""Going through the keys of a projection, a page at a time: Redis serves nobody else meanwhile."""

from collections.abc import AsyncIterator
from typing import Any, Final

from redis.asyncio import Redis

from projector.keys import Keyspace
from projector.redis.errors import errors_named

PAGE: Final = 200
"""How many keys Redis looks at in one go."""


async def pages(redis: Redis, pattern: str) -> AsyncIterator[list[str]]:
    """Yield every key of a pattern once or more often, in pages that are never empty.

    Raises `UnavailableError`.
    """
    cursor: int | None = None
    while cursor != 0:
        with errors_named():
            answer: Any = await redis.scan(cursor or 0, match=pattern, count=PAGE)
        cursor, page = answer
        if page:
            yield [key.decode() for key in page]


async def keys_of(redis: Redis, keyspace: Keyspace) -> AsyncIterator[list[str]]:
    """Yield every key of a projection, as `pages` does."""
    async for page in pages(redis, keyspace.every):
        yield page


async def remove_all(redis: Redis, keyspace: Keyspace) -> None:
    """Remove a projection; raises `UnavailableError`."""
    async for page in keys_of(redis, keyspace):
        with errors_named():
            await redis.unlink(*page)
