"""The generations: each count of the log that is live, was, or is to be; they are told apart by number."""

from collections.abc import Collection

from ingest.errors import UnavailableError
from projector import keys, scripts
from projector.redis import Redis
from projector.redis.errors import translate_errors
from projector.redis.scan import scan_keys


async def remove_generations_but(redis: Redis, kept: Collection[int], *, live: int, lock: bytes) -> None:
    """Remove every generation but those, in pages: what was live, and what killed rebuilds left behind.

    `live` is the one that is, `rebuilder` the token of who removes. Raises `UnavailableError` where either is
    not so any more.
    """
    keyspaces = list(map(keys.ONLY.generation, kept))
    remove = redis.register_script(scripts.source(scripts.REMOVE))
    async for page in scan_keys(redis, keys.ONLY.every_live):
        stale = [key for key in page if not any(keyspace.holds(key) for keyspace in keyspaces)]
        if not stale:
            continue
        with translate_errors():
            done = await remove(
                keys=[keys.ONLY.deployment, keys.ONLY.rebuild_lock, *stale], args=[live, lock]
            )
        if not done:
            raise UnavailableError("Redis lost what was counted, or somebody else rebuilds.")


async def number_generation(redis: Redis) -> int:
    """Return a number that no generation has had; raises `UnavailableError`."""
    with translate_errors():
        return int(await redis.hincrby(keys.ONLY.deployment, "generations", 1))
