"""The room in Redis: what is counted beside the live counters may not take what their worker needs."""

import asyncio
from math import inf
from typing import Final

from redis.asyncio import Redis

from ingest.errors import UnavailableError
from projector.redis.errors import errors_named

FULLEST: Final = 0.9
"""The share of its memory from which on Redis is left to its worker."""
LOOK_SECONDS: Final = 0.25
"""Between looks: each takes Redis as long as a small batch does, and a tenth of it is not filled as soon."""


class MemoryGuard:
    """What is left of Redis' memory."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._looked_at = -inf

    async def check(self) -> None:
        """Raise `UnavailableError` where Redis is nearly full, or away; asks it only now and then."""
        now = asyncio.get_running_loop().time()
        if now < self._looked_at + LOOK_SECONDS:
            return
        with errors_named():
            memory = await self._redis.info("memory")
        limit = memory.get("maxmemory", 0)
        if limit and memory["used_memory"] > limit * FULLEST:
            raise UnavailableError(
                f"Redis has used {FULLEST:.0%} of its maxmemory: what is left is for the worker. Raise it."
            )
        self._looked_at = now
