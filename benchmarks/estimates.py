"""Estimates: how far a counter above 512 users is off, over many keys for user ids.

Which users get in one another's way in a HyperLogLog depends on the key, so that each key is another try.

    python -m benchmarks.estimates
"""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Final

import typer
from redis.asyncio import Redis

from benchmarks.machine import Machine, describe
from benchmarks.reporting import RESULTS, write_json
from embedded.valkey import EmbeddedValkey
from headcount.cli.output import print_table
from projector.pseudonyms import Pseudonyms

TRIES: Final = {513: 2_000, 1_000: 1_000, 5_000: 400, 20_000: 100, 100_000: 30}
"""How many keys are tried, by the number of users."""
IDS_A_COMMAND: Final = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Relative errors of so many tries: their root mean square, and the largest."""

    users: int
    keys: int
    standard: float
    worst: float


@dataclass(frozen=True, slots=True)
class Figures:
    """What was seen, and on what."""

    machine: Machine
    rows: Sequence[Row]


def main(
    *,
    output: Annotated[Path, typer.Option(help="Where the figures go as JSON.")] = RESULTS / "estimates.json",
) -> None:
    """Count the same people under many keys, and show how far the counts are off."""
    figures = asyncio.run(_measure())
    print_table(
        ("users", "keys", "standard error", "worst"),
        [
            (f"{row.users:,}", f"{row.keys:,}", f"{row.standard:.2%}", f"{row.worst:.2%}")
            for row in figures.rows
        ],
    )
    write_json(output, figures)


async def _measure() -> Figures:
    with TemporaryDirectory(prefix="headcount-benchmark-") as folder:
        server = EmbeddedValkey(home=Path(folder))
        await server.start()
        try:
            async with Redis.from_url(server.url) as redis:
                rows = [await _row(redis, users, keys) for users, keys in TRIES.items()]
                return Figures(await describe(redis), rows)
        finally:
            await server.stop(1.0)


async def _row(redis: Redis, users: int, keys: int) -> Row:
    ids = [f"user-{number}" for number in range(users)]
    counts = [await _count(redis, Pseudonyms(f"{number:032d}"), ids) for number in range(keys)]
    errors = [abs(count - users) / users for count in counts]
    standard = math.sqrt(sum(error * error for error in errors) / keys)
    return Row(users=users, keys=keys, standard=standard, worst=max(errors))


async def _count(redis: Redis, pseudonyms: Pseudonyms, ids: Sequence[str]) -> int:
    await redis.delete("counter")
    users = list(pseudonyms.of("acme", ids))
    for first in range(0, len(users), IDS_A_COMMAND):
        await redis.pfadd("counter", *users[first : first + IDS_A_COMMAND])
    count: int = await redis.pfcount("counter")
    return count


if __name__ == "__main__":
    typer.run(main)
