"""The room in Redis: what is counted beside the live counters may not take what their worker needs."""

from typing import Final

from redis.asyncio import Redis

from ingest.errors import UnavailableError
from projector.errors import errors_named

FULLEST: Final = 0.9
"""The share of its memory from which on Redis is left to its worker."""


async def check_room(redis: Redis) -> None:
    """Raise `UnavailableError` where Redis is nearly full, or away."""
    with errors_named():
        memory = await redis.info("memory")
    limit = memory.get("maxmemory", 0)
    if limit and memory["used_memory"] > limit * FULLEST:
        raise UnavailableError(
            f"Redis has used {FULLEST:.0%} of its maxmemory: what is left is for the worker. Raise it."
        )
