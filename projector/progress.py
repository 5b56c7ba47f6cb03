"""How far the projection has come, as Redis knows it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

from redis.asyncio import Redis
from redis.exceptions import RedisError

from ingest.batch import Offset, Partition
from ingest.errors import UnavailableError
from projector import keys


@dataclass(frozen=True, slots=True)
class Progress:
    """By partition: the next offset to count, and the instant up to which every event is counted.

    A partition without the latter is catching up.
    """

    checkpoints: Mapping[Partition, Offset]
    as_of: Mapping[Partition, datetime]


async def read_progress(redis: Redis) -> Progress:
    """Read both of one moment; raises `UnavailableError`."""
    try:
        async with redis.pipeline(transaction=True) as pipeline:
            pipeline.hgetall(keys.CHECKPOINTS)
            pipeline.hgetall(keys.AS_OF)
            checkpoints, as_of = cast("list[dict[bytes, bytes]]", await pipeline.execute())
    except RedisError as error:
        raise UnavailableError(f"Redis does not answer: {error!r}") from error
    return Progress(
        {_partition(field): Offset(int(value)) for field, value in checkpoints.items()},
        {_partition(field): datetime.fromtimestamp(int(value) / 1000, UTC) for field, value in as_of.items()},
    )


def _partition(field: bytes) -> Partition:
    topic, _, number = field.decode().rpartition(":")
    return Partition(topic, int(number))
