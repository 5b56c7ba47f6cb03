"""The typed calls of the scripts for generations: `switch.lua` and `remove.lua`.

They raise what redis-py raises.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from projector import scripts
from projector.keys import Shard
from projector.redis import Redis

SwitchOutcome = Literal["DONE", "BEHIND", "LOST"]
"""`BEHIND`: a checkpoint of the next generation has to advance first. `LOST`: anything else has changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """The state that a switch requires, and the fields of the deployment from then on.

    `live` and `next` are numbers of generations, `config` is the recorded configuration of the next one, and
    `revision` that of the list of forgotten users.
    """

    lock_token: bytes
    live: int
    next: int
    config: bytes
    topic_id: str
    revision: int
    fields: Mapping[str, str]


class SwitchScript:
    """Makes the next generation the live one, in one step."""

    def __init__(self, redis: Redis) -> None:
        self._script = redis.register_script(scripts.source(scripts.SWITCH))

    async def __call__(self, shard: Shard, switch: Switch) -> SwitchOutcome:
        live, following = shard.generation(switch.live), shard.generation(switch.next)
        args: list[str | int | bytes] = [switch.lock_token, switch.live, switch.next, switch.config]
        args += [switch.topic_id, switch.revision]
        for field, value in switch.fields.items():
            args += [field, value]
        reply: Any = await self._script(
            keys=[
                shard.deployment,
                shard.rebuild_lock,
                live.checkpoints,
                live.as_of,
                following.checkpoints,
                following.as_of,
            ],
            args=args,
        )
        outcome: SwitchOutcome = reply.decode()
        return outcome


class RemoveScript:
    """Removes keys of generations that are not live, on behalf of the holder of the rebuild lock."""

    def __init__(self, redis: Redis) -> None:
        self._script = redis.register_script(scripts.source(scripts.REMOVE))

    async def __call__(self, shard: Shard, keys: Sequence[str], *, live: int, lock_token: bytes) -> bool:
        """Return False, with nothing removed, if another generation is live or the lock was lost."""
        removed = await self._script(
            keys=[shard.deployment, shard.rebuild_lock, *keys], args=[live, lock_token]
        )
        return bool(removed)
