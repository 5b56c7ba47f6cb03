"""How full Redis is, asked when somebody wants to know."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

PATIENCE_SECONDS: Final = 1.0
"""A scrape waits so long; it tells everything else all the same."""


@dataclass(frozen=True, slots=True)
class Memory:
    """In bytes; a limit of 0 is none. Both are None where Redis does not tell."""

    used: int | None = None
    limit: int | None = None


async def read_memory(redis: Redis) -> Memory:
    """Ask Redis; it may be away."""
    with suppress(RedisError, TimeoutError):
        async with asyncio.timeout(PATIENCE_SECONDS):
            facts = await redis.info("memory")
        return Memory(facts.get("used_memory"), facts.get("maxmemory"))
    return Memory()
