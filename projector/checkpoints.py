"""The progress of the projection, as Redis records it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from ingest.batch import Offset, Partition
from ingest.errors import UnavailableError
from projector import keys
from projector.expiry import Expired, ExpiryCause, read_expired
from projector.gaps import GapReport, decode
from projector.redis import Redis
from projector.redis.errors import RedisError, describe, translate_errors

ROLLED_BACK_AT: Final = "rolled_back_at"
"""Field of the deployment: the instant of the last rollback, in ms."""


@dataclass(frozen=True, slots=True)
class Progress:
    """By partition: the next offset to count, and the instant up to which every event is counted.

    A partition without an as-of is catching up. `generation` is the live one; `topic_id` is None if nothing
    was counted yet. `gaps` are those that are not acknowledged, in the order of their discovery. `deployment`
    has all fields of the deployment.
    """

    generation: int
    topic_id: str | None
    checkpoints: Mapping[Partition, Offset]
    as_of: Mapping[Partition, datetime]
    gaps: Sequence[GapReport]
    deployment: Mapping[str, str] = field(default_factory=dict)

    @property
    def rolled_back_at(self) -> datetime | None:
        """When Redis was last found to have lost its newest state, None if it never was."""
        found = self.deployment.get(ROLLED_BACK_AT)
        return None if found is None else datetime.fromtimestamp(int(found) / 1000, UTC)

    @property
    def expired(self) -> Mapping[ExpiryCause, Expired]:
        """The events that were not counted because they are older than the retention, by cause."""
        return read_expired(self.deployment)


async def read_progress(redis: Redis) -> Progress:
    """Read everything at one moment; raises `UnavailableError`."""
    generation = 0
    try:
        while True:
            deployment, checkpoints, as_of, gaps = await _read(redis, keys.ONLY.generation(generation))
            live = int(deployment.get(b"generation", 0))
            if live == generation:
                break
            generation = live
    except RedisError as error:
        raise UnavailableError(f"Redis can't be read: {describe(error)}") from error
    topic_id = deployment.get(b"topic_id")
    return Progress(
        generation,
        topic_id.decode() if topic_id else None,
        _offsets(checkpoints),
        {_partition(field): datetime.fromtimestamp(int(value) / 1000, UTC) for field, value in as_of.items()},
        list(map(decode, gaps)),
        {name.decode(): value.decode() for name, value in deployment.items()},
    )


async def read_checkpoints(redis: Redis, keyspace: keys.Keyspace) -> Mapping[Partition, Offset]:
    """Read the checkpoints of any projection, live or not; raises `UnavailableError`."""
    with translate_errors():
        found: dict[Any, Any] = await redis.hgetall(keyspace.checkpoints)
    return _offsets(found)


def _offsets(checkpoints: Mapping[bytes, bytes]) -> Mapping[Partition, Offset]:
    return {_partition(field): Offset(int(value)) for field, value in checkpoints.items()}


async def _read(redis: Redis, keyspace: keys.Keyspace) -> Any:  # noqa: ANN401 - replies
    async with redis.pipeline(transaction=True) as pipeline:
        pipeline.hgetall(keys.ONLY.deployment)
        pipeline.hgetall(keyspace.checkpoints)
        pipeline.hgetall(keyspace.as_of)
        pipeline.lrange(keys.ONLY.gaps, 0, -1)
        return await pipeline.execute()


def _partition(field: bytes) -> Partition:
    topic, _, number = field.decode().rpartition(":")
    return Partition(topic, int(number))
