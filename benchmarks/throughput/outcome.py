"""What a turn must have left in Redis: a contestant that did not do the work has no figure."""

from collections.abc import Mapping
from typing import Any, Final

from redis.asyncio import Redis

from benchmarks.people import Counts
from benchmarks.throughput.line_up import Leaves
from projector.checkpoints import read_progress

STANDARD_ERROR: Final = 0.0081
STANDARD_ERRORS: Final = 5
COLLISIONS: Final = 5
"""How many users a small counter may miss: two of them with one hash are one to it."""
OVERALL_ERROR: Final = 0.01
"""How far all counters together may be off: their errors even out."""
KEYS_A_PAGE: Final = 1_000


class WrongOutcomeError(RuntimeError):
    """A contestant's turn left something else than its work must leave."""


async def check(redis: Redis, leaves: Leaves, *, events: int, truth: Counts) -> None:
    """Raise `WrongOutcomeError` if that is not what is there."""
    if leaves is Leaves.CHECKPOINTS:
        counted = sum((await read_progress(redis)).checkpoints.values())
        if counted != events:
            raise WrongOutcomeError(f"{counted:,} of {events:,} events are counted")
        return
    found = await _counters(redis)
    wrong = differences(found, truth if leaves is Leaves.COUNTERS else {})
    if wrong:
        raise WrongOutcomeError(f"{len(wrong)} counters are not what they must be: {', '.join(wrong[:3])}")


def differences(found: Mapping[str, int], truth: Counts) -> list[str]:
    """Tell of the counters that are missing, too many, or further off than an estimate may be."""
    expected = {f"{key.workspace_id}:{key.day}": users for key, users in truth.items()}
    far = [
        f"{name} is {found.get(name, 'missing')}, not {expected.get(name, 'there')}"
        for name in sorted(found.keys() | expected.keys())
        if not _is_close(found.get(name), expected.get(name))
    ]
    sums = sum(found.values()), sum(expected.values())
    if abs(sums[0] - sums[1]) > OVERALL_ERROR * sums[1]:
        far.append("all together are {:,}, not {:,}".format(*sums))
    return far


def _is_close(found: int | None, expected: int | None) -> bool:
    if found is None or expected is None:
        return False
    return abs(found - expected) <= COLLISIONS + STANDARD_ERRORS * STANDARD_ERROR * expected


async def _counters(redis: Redis) -> Mapping[str, int]:
    """Count every key there is: peers write nothing but counters."""
    keys: Any = [key async for key in redis.scan_iter(count=KEYS_A_PAGE)]
    async with redis.pipeline(transaction=False) as pipeline:
        for key in keys:
            pipeline.pfcount(key)
        counts: Any = await pipeline.execute()
    return {key.decode(): count for key, count in zip(keys, counts, strict=True)}
