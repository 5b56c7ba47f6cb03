"""What the Redis server must be like, so that no counter vanishes behind the checkpoint's back."""

from typing import Final

from redis.asyncio import Redis

from ingest.errors import OperatorError

OLDEST_VERSION: Final = (7, 0)
SAFE_POLICY: Final = "noeviction"


async def check_server(redis: Redis) -> None:
    """Raise `OperatorError` for a server that evicts keys, or that is too old."""
    facts = await redis.info("everything")
    version = str(facts.get("redis_version", ""))
    if version and tuple(int(part) for part in version.split(".")[:2]) < OLDEST_VERSION:
        wanted = ".".join(map(str, OLDEST_VERSION))
        raise OperatorError(f"Redis is {version}; wanted is {wanted} or newer, or Valkey.")
    policy = facts.get("maxmemory_policy", SAFE_POLICY)
    if policy != SAFE_POLICY:
        raise OperatorError(
            f"Redis' maxmemory-policy is {policy}: counters could vanish while the checkpoint stays. "
            f"Set it to {SAFE_POLICY}."
        )
