"""The requirements on the Redis server: its version, its eviction policy and its free memory."""

import asyncio
from math import inf
from typing import Final

from ingest.errors import OperatorError, UnavailableError
from projector.redis import Redis
from projector.redis.errors import translate_errors

OLDEST_VERSION: Final = (7, 0)
SAFE_POLICY: Final = "noeviction"
"""With any other policy Redis may evict a counter and keep the checkpoint: its events would be lost."""

MAX_MEMORY_USE: Final = 0.9
"""The share of `maxmemory` above which rebuilds and audits stop, to leave the rest to the worker."""
MEMORY_CHECK_SECONDS: Final = 0.25
"""The time between two checks. A check costs Redis as much as a small batch, and it takes longer than this
to fill a tenth of the memory."""


async def check_server(redis: Redis) -> None:
    """Raise `OperatorError` for a server that evicts keys or is too old."""
    facts = await redis.info("everything")
    version = str(facts.get("redis_version", ""))
    if version and tuple(int(part) for part in version.split(".")[:2]) < OLDEST_VERSION:
        oldest = ".".join(map(str, OLDEST_VERSION))
        raise OperatorError(f"Redis {version} is too old: use Redis {oldest} or newer, or Valkey.")
    policy = facts.get("maxmemory_policy", SAFE_POLICY)
    if policy != SAFE_POLICY:
        raise OperatorError(
            f"Redis' maxmemory-policy is {policy}: it may evict counters and keep the checkpoint. "
            f"Set it to {SAFE_POLICY}."
        )


class MemoryGuard:
    """Stops a rebuild or an audit before it uses the memory that the worker needs."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._checked_at = -inf

    async def check(self) -> None:
        """Raise `UnavailableError` if Redis is nearly full or unreachable.

        Sends no command within `MEMORY_CHECK_SECONDS` of the last check.
        """
        now = asyncio.get_running_loop().time()
        if now < self._checked_at + MEMORY_CHECK_SECONDS:
            return
        with translate_errors():
            memory = await self._redis.info("memory")
        limit = memory.get("maxmemory", 0)
        if limit and memory["used_memory"] > limit * MAX_MEMORY_USE:
            raise UnavailableError(
                f"Redis has used {MAX_MEMORY_USE:.0%} of its maxmemory; the rest is reserved for the worker. "
                "Raise maxmemory."
            )
        self._checked_at = now
