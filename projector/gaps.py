"""The gaps found in the log, which Redis keeps until an operator acknowledges them."""

from datetime import date, datetime
from typing import Any

import msgspec

from ingest.ports import Gap, GapCause
from projector import keys
from projector.calendar import Calendar
from projector.redis import Redis
from projector.redis.errors import translate_errors
from projector.scripts.positions import AcknowledgeScript


class GapReport(msgspec.Struct, frozen=True, kw_only=True):
    """A gap as it was found, and the first and last day whose counts may be too low because of it.

    `first_day` is None if the partition had no as-of.
    """

    partition: int
    cause: GapCause
    checkpoint: int
    beginning: int
    end: int
    found_at: datetime
    first_day: date | None
    last_day: date


def report(gap: Gap, *, as_of: datetime | None, now: datetime, calendar: Calendar) -> GapReport:
    """Return the report of a gap: it may affect the days since the partition's as-of."""
    return GapReport(
        partition=gap.partition.number,
        cause=gap.cause,
        checkpoint=gap.checkpoint,
        beginning=gap.extent.beginning,
        end=gap.extent.end,
        found_at=now,
        first_day=None if as_of is None else calendar.date_of(as_of),
        last_day=calendar.date_of(now),
    )


def decode(document: bytes) -> GapReport:
    """Decode a gap as Redis stores it."""
    return msgspec.json.decode(document, type=GapReport)


async def read_acknowledged(redis: Redis) -> list[GapReport]:
    """Return the newest acknowledged gaps, in the order of their acknowledgement."""
    with translate_errors():
        documents: list[Any] = await redis.lrange(keys.ONLY.acknowledged_gaps, 0, -1)
    return list(map(decode, documents))


async def acknowledge(redis: Redis, number: int) -> None:
    """Acknowledge the oldest gaps; they are kept, because an audit needs to know what was skipped."""
    with translate_errors():
        await AcknowledgeScript(redis)(keys.ONLY, number)
