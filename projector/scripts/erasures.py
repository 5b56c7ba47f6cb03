"""The typed calls of the scripts for erasures: `erase.lua`, `find.lua`, `restore.lua` and `erased.lua`.

They raise what redis-py raises.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from projector import scripts
from projector.keys import Shard
from projector.redis import Redis

MAX_USERS: Final = 5_000
"""The most users that `EraseScript` takes in one call."""


class Erasure(NamedTuple):
    """How many memberships of exact counters were removed, and how many counters are estimates."""

    removed: int
    estimates: int


class EraseScript:
    """Removes users from exact counters."""

    def __init__(self, redis: Redis) -> None:
        self._script = redis.register_script(scripts.source(scripts.ERASE))

    async def __call__(self, keys: Sequence[str], users: Sequence[str]) -> Erasure:
        reply: Any = await self._script(keys=keys, args=users)
        return Erasure(*reply)


class FindScript:
    """Searches counters for a user; returns what `EraseScript` would return."""

    def __init__(self, redis: Redis) -> None:
        self._script = redis.register_script(scripts.source(scripts.FIND))

    async def __call__(self, keys: Sequence[str], users: Sequence[str]) -> Erasure:
        reply: Any = await self._script(keys=keys, args=users)
        return Erasure(*reply)


class ListRevision(NamedTuple):
    """The revision of the list of forgotten users, and the live generation, as they were read."""

    generation: int
    revision: int


class RestoreScript:
    """Adds users to the list of forgotten users, and takes others off it."""

    def __init__(self, redis: Redis) -> None:
        self._script = redis.register_script(scripts.source(scripts.RESTORE))

    async def __call__(
        self,
        shard: Shard,
        known: ListRevision,
        *,
        next_revision: int,
        added: Sequence[str],
        removed: Sequence[str],
    ) -> int | None:
        """Return the new revision of the list, which is at least `next_revision` if anything was changed.

        Returns None if `known` is out of date.
        """
        reply: Any = await self._script(
            keys=[shard.forgotten, shard.deployment, shard.generation(known.generation).as_of],
            args=[*known, next_revision, len(added), *added, *removed],
        )
        return None if reply is None else int(reply)


class ErasedScript:
    """Records the position in the erasure log up to which users are removed from the counters."""

    def __init__(self, redis: Redis) -> None:
        self._script = redis.register_script(scripts.source(scripts.ERASED))

    async def __call__(self, shard: Shard, revision: int, *, before: str, now: str, is_clean: bool) -> bool:
        """Return False if the list no longer has this revision, or the recorded position is not `before`.

        `is_clean` states that no estimate may contain a forgotten user.
        """
        return bool(await self._script(keys=[shard.deployment], args=[revision, before, now, int(is_clean)]))
