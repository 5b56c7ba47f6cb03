"""Counters in Redis: bare ones for comparison, and byte-for-byte comparison of two databases."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from redis.asyncio import Redis

from benchmarks.people import CountedUsers, Counts
from projector.keys import Keyspace
from projector.redis.scan import scan_keyspace

IDS_A_COMMAND: Final = 1_000
CACHED_COUNT: Final = slice(8, 16)
"""Where the header keeps the last count: a count that was asked for differs there, and only there."""


@dataclass(frozen=True, slots=True)
class Difference:
    """How many counters two databases have together, and the names of those that are not the same in both."""

    counters: int
    different: list[str]


async def count_bare(redis: Redis, counted_users: CountedUsers) -> Counts:
    """Count with nothing but PFADD of the ids and PFCOUNT, on one key a day."""
    counts = {}
    for day, user_ids in counted_users.items():
        key, ids = f"{day.workspace_id}:{day.day}", sorted(user_ids)
        for first in range(0, len(ids), IDS_A_COMMAND):
            await redis.pfadd(key, *ids[first : first + IDS_A_COMMAND])
        counts[day] = await redis.pfcount(key)
    return counts


async def compare(first: Redis, second: Redis, keyspace: Keyspace) -> Difference:
    """Compare every counter of two databases, but for the count cached in a HyperLogLog's header."""
    mine, other = await _counters(first, keyspace), await _counters(second, keyspace)
    names = mine.keys() | other.keys()
    return Difference(len(names), sorted(name for name in names if mine.get(name) != other.get(name)))


async def _counters(redis: Redis, keyspace: Keyspace) -> Mapping[str, bytes]:
    found: dict[str, bytes] = {}
    async for page in scan_keyspace(redis, keyspace):
        names = [name for name in page if keyspace.counter(name)]
        found |= zip(names, await _contents(redis, names), strict=True)
    return found


async def _contents(redis: Redis, names: Sequence[str]) -> Sequence[bytes]:
    """Return the members of sets, in order, and HyperLogLogs as they are stored."""
    async with redis.pipeline(transaction=False) as pipeline:
        for name in names:
            pipeline.type(name)
        kinds = await pipeline.execute()
        for name, kind in zip(names, kinds, strict=True):
            (pipeline.smembers if kind == b"set" else pipeline.get)(name)
        return [_comparable(value) for value in await pipeline.execute()]


def _comparable(value: bytes | Iterable[bytes]) -> bytes:
    if isinstance(value, bytes):
        return value[: CACHED_COUNT.start] + value[CACHED_COUNT.stop :]
    return b" ".join(sorted(value))
