"""Memory: the size of a counter by number of users, compared with a bare HyperLogLog and an exact set of ids.

python -m benchmarks.memory
"""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Final
from zoneinfo import ZoneInfo

import typer
from redis.asyncio import Redis

from benchmarks.machine import Machine, describe
from benchmarks.reporting import RESULTS, write_json
from embedded.valkey import EmbeddedValkey
from headcount.cli.output import print_table
from ingest.batch import Batch, Offset, Partition
from ingest.events.event import Event
from ingest.ports import Extent, LogState
from projector.calendar import Calendar
from projector.counted_users import CountedUsers
from projector.deployment import Deployment
from projector.keys import FIRST
from projector.projection import RedisProjection
from projector.pseudonyms import Pseudonyms

USERS: Final = (1, 10, 100, 512, 513, 5_000, 100_000)
ID: Final = "{:017d}".format
"""As long as an id of a real chat server is: 17 characters."""
IDS_A_COMMAND: Final = 5_000
PARTITION: Final = Partition("memory", 0)
NOW: Final = datetime(2024, 5, 17, 12, tzinfo=UTC)
PSEUDONYMS: Final = Pseudonyms("the key is of no matter to the memory")
CALENDAR: Final = Calendar(time_zone=ZoneInfo("UTC"), retention_days=0, bucket_retention_days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Bytes, by Redis' MEMORY USAGE with all elements looked at; the name of the key is part of them."""

    users: int
    counter: int
    encoding: str
    sketch: int
    set_of_ids: int


@dataclass(frozen=True, slots=True)
class Figures:
    """What was seen, and on what."""

    machine: Machine
    rows: Sequence[Row]


def main(
    *, output: Annotated[Path, typer.Option(help="Where the figures go as JSON.")] = RESULTS / "memory.json"
) -> None:
    """Fill counters, and show what each takes."""
    figures = asyncio.run(_measure())
    print_table(
        ("users", "counter", "kept as", "bare HyperLogLog", "set of ids"),
        [
            (f"{row.users:,}", f"{row.counter:,}", row.encoding, f"{row.sketch:,}", f"{row.set_of_ids:,}")
            for row in figures.rows
        ],
    )
    typer.echo(f"\nBytes, keys included. {figures.machine}")
    write_json(output, figures)


async def _measure() -> Figures:
    with TemporaryDirectory(prefix="headcount-benchmark-") as folder:
        server = EmbeddedValkey(home=Path(folder))
        await server.start()
        try:
            async with Redis.from_url(server.url) as redis:
                return Figures(await describe(redis), [await _row(redis, users) for users in USERS])
        finally:
            await server.stop(1.0)


async def _row(redis: Redis, users: int) -> Row:
    await redis.flushdb()
    ids = [ID(number) for number in range(users)]
    counter = await _count(redis, ids)
    sketch, whole = f"{counter}:bare", f"{counter}:ids"
    for first in range(0, users, IDS_A_COMMAND):
        some = ids[first : first + IDS_A_COMMAND]
        await redis.pfadd(sketch, *some)
        await redis.sadd(whole, *some)
    return Row(
        users=users,
        counter=await _size(redis, counter),
        encoding=(await redis.object("ENCODING", counter)).decode(),
        sketch=await _size(redis, sketch),
        set_of_ids=await _size(redis, whole),
    )


async def _count(redis: Redis, ids: Collection[str]) -> str:
    """Count one event of each as a worker would; return the key of the day's counter."""
    projection = RedisProjection(
        redis,
        CALENDAR,
        CountedUsers(PSEUDONYMS),
        deployment=Deployment(topic="memory", time_zone="UTC", user_id_hash_key=PSEUDONYMS.fingerprint),
        clock=lambda: NOW,
    )
    await projection.begin(LogState("one", {PARTITION: Extent(Offset(0), Offset(0))}))
    events = [Event("acme", NOW, "message", user_id) for user_id in ids]
    await projection.apply(
        Batch(partition=PARTITION, start=Offset(0), end=Offset(len(events)), events=events)
    )
    return FIRST.day("acme", NOW.date())


async def _size(redis: Redis, key: str) -> int:
    return await redis.memory_usage(key, samples=0) or 0


if __name__ == "__main__":
    typer.run(main)
