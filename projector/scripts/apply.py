"""The typed call of `apply.lua`: one batch, its counters and its checkpoint, in one step."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from ingest.batch import Batch, Offset
from projector import scripts
from projector.keys import Keyspace, Shard
from projector.redis import Redis

SUPERSEDED: Final = b"SUPERSEDED"
PAUSED: Final = b"HELD"


class Fence(NamedTuple):
    """The state that a batch was prepared for; the script applies the batch only if it is unchanged.

    `partitions` is how many partitions had a checkpoint, `revision` that of the list of forgotten users.
    """

    generation: int
    topic_id: str
    partitions: int
    revision: int


class Superseded:
    """The reply if another generation is live or the list of forgotten users has changed."""


class WritesPaused:
    """The reply while a rebuild switches over."""


Reply = Offset | Superseded | WritesPaused | None
"""The checkpoint after the call, None if there is none."""


@dataclass(frozen=True, slots=True)
class ApplyCall:
    """The keys and arguments of one call, in the order that the script documents."""

    keys: Sequence[str]
    args: Sequence[str | int | bytes]


def pack_call(
    batch: Batch,
    keyspace: Keyspace,
    counters: Sequence[str],
    additions: bytes,
    *,
    fenced: "Fenced | None" = None,
) -> ApplyCall:
    """Lay out a batch for the script; `additions` are packed in the order of `counters`."""
    as_of: str | int = "" if batch.as_of is None else int(batch.as_of.timestamp() * 1000)
    keys = [keyspace.checkpoints, keyspace.as_of, *counters]
    args: list[str | int | bytes] = [str(batch.partition), batch.start, batch.end, as_of, additions]
    if fenced is not None:
        keys.append(fenced.shard.deployment)
        args += [*fenced.fence, fenced.expired]
    return ApplyCall(keys, args)


@dataclass(frozen=True, slots=True)
class Fenced:
    """The fence of a live batch, and the causes of its expired events from `expiry.pack_causes`."""

    shard: Shard
    fence: Fence
    expired: str


class ApplyScript:
    """The script on one client."""

    def __init__(self, redis: Redis) -> None:
        self._script = redis.register_script(scripts.source(scripts.APPLY))

    async def __call__(self, call: ApplyCall) -> Reply:
        """Apply the batch, or do nothing; raises what redis-py raises."""
        reply: Any = await self._script(keys=call.keys, args=call.args)
        if reply is None:
            return None
        if reply == SUPERSEDED:
            return Superseded()
        if reply == PAUSED:
            return WritesPaused()
        return Offset(int(reply))
