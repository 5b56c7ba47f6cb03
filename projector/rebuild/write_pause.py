"""The hold: the live counters stand still for a moment, while the next ones come level with them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

from redis.asyncio import Redis

from projector import keys
from projector.redis.errors import errors_named

LONGEST_HOLD: Final = timedelta(seconds=2)
"""After which the live counters go on by themselves, should whoever holds them be gone."""

_FIELD: Final = "held_until"


@asynccontextmanager
async def held(redis: Redis) -> AsyncIterator[None]:
    """Have workers wait while the block lasts, and for no longer than `LONGEST_HOLD`; readers don't notice.

    No guarantee rests on it: what moved all the same is found by who compares checkpoints. Raises
    `UnavailableError`.
    """
    with errors_named():
        seconds, microseconds = await redis.time()
        until = seconds * 1000 + microseconds // 1000 + int(LONGEST_HOLD.total_seconds() * 1000)
        await redis.hset(keys.ONLY.deployment, _FIELD, str(until))
    try:
        yield
    finally:
        with errors_named():
            await redis.hdel(keys.ONLY.deployment, _FIELD)
