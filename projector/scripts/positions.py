"""The typed calls of the scripts for checkpoints and gaps: `restart.lua`, `rewind.lua` and `acknowledge.lua`.

They raise what redis-py raises.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ingest.batch import Offset, Partition
from projector import scripts
from projector.keys import Shard
from projector.redis import Redis
from projector.scripts.apply import Fence

MAX_GAPS: Final = 100
"""The most gaps that each list keeps; beyond that the oldest are dropped."""


class RestartScript:
    """Sets every checkpoint to the beginning of a recreated topic, unless that was done already."""

    def __init__(self, redis: Redis) -> None:
        self._script = redis.register_script(scripts.source(scripts.RESTART))

    async def __call__(
        self,
        shard: Shard,
        generation: int,
        *,
        topic_id: str,
        beginnings: Mapping[Partition, Offset],
        gaps: Sequence[bytes],
    ) -> None:
        """Restart the generation if it is still live; `gaps` are JSON documents."""
        args: list[str | int | bytes] = [generation, topic_id, MAX_GAPS, len(gaps), *gaps]
        for partition, beginning in beginnings.items():
            args += [str(partition), beginning]
        await self._script(keys=_keys(shard, generation), args=args)


@dataclass(frozen=True, slots=True)
class Rewind:
    """A partition's checkpoint as it was read, the offset to set it to, and the gap as a JSON document."""

    partition: Partition
    expected: Offset
    to: Offset
    gap: bytes | None


class RewindScript:
    """Sets one checkpoint to another offset, unless it moved meanwhile."""

    def __init__(self, redis: Redis) -> None:
        self._script = redis.register_script(scripts.source(scripts.REWIND))

    async def __call__(self, shard: Shard, generation: int, rewind: Rewind, *, fence: Fence | None) -> None:
        """Set the checkpoint and record the gap, if the fence's generation and topic are unchanged."""
        args: list[str | int | bytes] = [
            str(rewind.partition),
            rewind.expected,
            rewind.to,
            rewind.gap or b"",
            MAX_GAPS,
        ]
        if fence is not None:
            args += [fence.generation, fence.topic_id]
        await self._script(keys=_keys(shard, generation), args=args)


class AcknowledgeScript:
    """Moves the oldest gaps to the list of acknowledged gaps."""

    def __init__(self, redis: Redis) -> None:
        self._script = redis.register_script(scripts.source(scripts.ACKNOWLEDGE))

    async def __call__(self, shard: Shard, number: int) -> None:
        await self._script(keys=[shard.gaps, shard.acknowledged_gaps], args=[number, MAX_GAPS])


def _keys(shard: Shard, generation: int) -> list[str]:
    keyspace = shard.generation(generation)
    return [keyspace.checkpoints, keyspace.as_of, shard.gaps, shard.deployment]
