"""The typed calls of the scripts for counters: `window.lua`, `union.lua`, `readd.lua` and `compare.lua`.

They raise what redis-py raises. The first three return None if another generation is live.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any, Final, Literal, NamedTuple

from msgspec import Struct, msgpack

from projector import scripts
from projector.keys import Counter, Keyspace, Shard
from projector.redis import Redis

State = Literal["whole", "missing", "incomplete", "not-a-counter", "surplus"]
"""`incomplete`: it lacks users of the log. `surplus`: it lacks none, and contains users that are not in the
part of the log that was read. `not-a-counter`: the key holds a value of another type."""


class Window(Struct, array_like=True, frozen=True):
    """The counts of several days as `window.lua` packs them."""

    partitions: int
    instants: list[int]
    """As-of instants of the partitions that have one, in ms of the epoch."""
    users: list[int]
    estimates: int
    """How many of `users` are estimates."""


# Not strict: Redis has the instants as strings.
_decode_window: Final = msgpack.Decoder(Window, strict=False).decode


class WindowScript:
    """Reads the counters of a workspace's days, and the as-of of every partition, at one moment."""

    def __init__(self, redis: Redis) -> None:
        self._script = redis.register_script(scripts.source(scripts.WINDOW))

    async def __call__(
        self, shard: Shard, generation: int, *, workspace_id: str, days: Sequence[date]
    ) -> Window | None:
        keyspace = shard.generation(generation)
        keys = [shard.deployment, keyspace.checkpoints, keyspace.as_of, *keyspace.days(workspace_id, days)]
        packed: bytes | None = await self._script(keys=keys, args=[generation])
        return None if packed is None else _decode_window(packed)


class Union(NamedTuple):
    """The number of distinct users of several counters together."""

    users: int
    is_estimate: bool


class UnionScript:
    """Counts the distinct users of several counters together."""

    def __init__(self, redis: Redis) -> None:
        self._script = redis.register_script(scripts.source(scripts.UNION))

    async def __call__(self, shard: Shard, generation: int, counters: Sequence[Counter]) -> Union | None:
        keyspace = shard.generation(generation)
        keys = [shard.deployment, keyspace.union, *map(keyspace.key, counters)]
        reply: Any = await self._script(keys=keys, args=[generation])
        return None if reply is None else Union(reply[0], bool(reply[1]))


class Additions(NamedTuple):
    """Counters, and the users to add to them as `fold.pack` returns them, in the same order."""

    counters: Sequence[Counter]
    packed: bytes


class ReaddScript:
    """Adds users to counters that should contain them already."""

    def __init__(self, redis: Redis) -> None:
        self._script = redis.register_script(scripts.source(scripts.READD))

    async def __call__(
        self, shard: Shard, generation: int, additions: Additions, *, revision: int
    ) -> list[State] | None:
        """Return the state in which each counter was found.

        Returns None, too, if the list of forgotten users no longer has this revision.
        """
        keys = [shard.deployment, *map(shard.generation(generation).key, additions.counters)]
        reply: Any = await self._script(keys=keys, args=[additions.packed, generation, revision])
        return None if reply is None else [state.decode() for state in reply]


class CompareScript:
    """Compares the counters of two projections of the same log."""

    def __init__(self, redis: Redis) -> None:
        self._script = redis.register_script(scripts.source(scripts.COMPARE))

    async def __call__(self, live: Keyspace, second: Keyspace, counters: Sequence[Counter]) -> list[State]:
        """Return the state of each live counter compared with the second one."""
        pairs = [keyspace.key(counter) for counter in counters for keyspace in (live, second)]
        reply: Any = await self._script(keys=[second.union, *pairs])
        return [state.decode() for state in reply]
