"""The erasure: a user who is to be forgotten is taken out of every counter that knows who is in it."""

from typing import NamedTuple

from redis.asyncio import Redis

from projector import keys, scripts
from projector.redis.errors import errors_named
from projector.redis.scan import pages


class Erasure(NamedTuple):
    """From how many exact counters of a workspace a user was removed, and how many are estimates."""

    removed: int
    estimates: int


async def erase(redis: Redis, pseudonym: str, *, workspace_id: str) -> Erasure:
    """Go through a workspace's counters, live or not; raises `UnavailableError`."""
    script = redis.register_script(scripts.source(scripts.ERASE))
    removed = estimates = 0
    async for page in pages(redis, keys.every_counter_of(workspace_id)):
        with errors_named():
            found = await script(keys=page, args=[pseudonym])
        removed += found[0]
        estimates += found[1]
    return Erasure(removed, estimates)
