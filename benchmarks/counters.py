"""Counters as Redis holds them: plain ones to hold ours against, and two sets of ours byte for byte."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

from redis.asyncio import Redis

from benchmarks.people import Counts, People

KEYS_A_TURN: Final = 5_000
IDS_A_COMMAND: Final = 1_000
CACHED_COUNT: Final = slice(8, 16)
"""Where the header keeps the last count: a count that was asked for differs there, and only there."""


@dataclass(frozen=True, slots=True)
class Difference:
    """How many counters two databases have together, and the names of those that are not the same in both."""

    counters: int
    different: list[str]


async def count_plainly(redis: Redis, people: People) -> Counts:
    """Count with nothing but PFADD and PFCOUNT on one key a day."""
    counts = {}
    for day, user_ids in people.items():
        key, ids = f"{day.workspace_id}:{day.day}", sorted(user_ids)
        for first in range(0, len(ids), IDS_A_COMMAND):
            await redis.pfadd(key, *ids[first : first + IDS_A_COMMAND])
        counts[day] = await redis.pfcount(key)
    return counts


async def compare(ours: Redis, theirs: Redis) -> Difference:
    """Compare every HyperLogLog of two databases, but for the count cached in its header."""
    mine, other = await _counters(ours), await _counters(theirs)
    names = mine.keys() | other.keys()
    return Difference(len(names), sorted(name for name in names if mine.get(name) != other.get(name)))


async def _counters(redis: Redis) -> Mapping[str, bytes]:
    """Read every string: HyperLogLogs are strings, and we keep no other."""
    names = [name async for name in redis.scan_iter(count=KEYS_A_TURN, _type="string")]
    found: dict[str, bytes] = {}
    for first in range(0, len(names), KEYS_A_TURN):
        some = names[first : first + KEYS_A_TURN]
        values = cast("list[bytes]", await redis.mget(some))
        found |= {
            name.decode(): value[: CACHED_COUNT.start] + value[CACHED_COUNT.stop :]
            for name, value in zip(some, values, strict=True)
        }
    return found
