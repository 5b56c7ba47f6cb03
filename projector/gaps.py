"""The gaps found in the log, kept in Redis for an operator to read."""

from datetime import date, datetime
from typing import Any, Final

import msgspec

from ingest.ports import Gap, GapCause
from projector import keys, scripts
from projector.calendar import Calendar
from projector.redis import Redis
from projector.redis.errors import translate_errors

MAX_GAPS: Final = 100


class GapReport(msgspec.Struct, frozen=True, kw_only=True):
    """A gap as it was found, and the days whose numbers may be too low for it, both included.

    `first_day` is None where nothing was known of how far the partition was counted.
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
    """Say which days a gap may touch: those since the instant up to which all was counted."""
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
    """Read a gap as Redis keeps it."""
    return msgspec.json.decode(document, type=GapReport)


async def read_acknowledged(redis: Redis) -> list[GapReport]:
    """Return the newest gaps that an operator has acknowledged, the first acknowledged first."""
    with translate_errors():
        documents: list[Any] = await redis.lrange(keys.ONLY.acknowledged_gaps, 0, -1)
    return list(map(decode, documents))


async def acknowledge(redis: Redis, number: int) -> None:
    """Put the oldest gaps aside; an audit still needs to know what was skipped."""
    with translate_errors():
        script = redis.register_script(scripts.source(scripts.ACKNOWLEDGE))
        await script(keys=[keys.ONLY.gaps, keys.ONLY.acknowledged_gaps], args=[number, MAX_GAPS])
