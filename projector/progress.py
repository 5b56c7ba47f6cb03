"""How far the projection has come, as Redis knows it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from redis.asyncio import Redis
from redis.exceptions import RedisError

from ingest.batch import Offset, Partition
from ingest.errors import UnavailableError
from projector import keys
from projector.errors import words
from projector.gaps import GapReport, decode


@dataclass(frozen=True, slots=True)
class Progress:
    """By partition: the next offset to count, and the instant up to which every event is counted.

    A partition without the latter is catching up. `topic_id` is None where nothing was counted yet. `gaps`
    are those that no operator has acknowledged, the first found first.
    """

    topic_id: str | None
    checkpoints: Mapping[Partition, Offset]
    as_of: Mapping[Partition, datetime]
    gaps: Sequence[GapReport]


async def read_progress(redis: Redis) -> Progress:
    """Read all of one moment; raises `UnavailableError`."""
    try:
        async with redis.pipeline(transaction=True) as pipeline:
            pipeline.hget(keys.DEPLOYMENT, "topic_id")
            pipeline.hgetall(keys.CHECKPOINTS)
            pipeline.hgetall(keys.AS_OF)
            pipeline.lrange(keys.GAPS, 0, -1)
            topic_id, checkpoints, as_of, gaps = await pipeline.execute()
    except RedisError as error:
        raise UnavailableError(f"Redis does not answer: {words(error)}") from error
    return Progress(
        topic_id.decode() if topic_id else None,
        {_partition(field): Offset(int(value)) for field, value in checkpoints.items()},
        {_partition(field): datetime.fromtimestamp(int(value) / 1000, UTC) for field, value in as_of.items()},
        list(map(decode, gaps)),
    )


def _partition(field: bytes) -> Partition:
    topic, _, number = field.decode().rpartition(":")
    return Partition(topic, int(number))
