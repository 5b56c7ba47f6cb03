"""The gaps found in the log, kept in Redis for an operator to read."""

from datetime import date, datetime
from typing import Final

import msgspec

from ingest.ports import Gap, GapCause
from projector.calendar import Calendar, bucket_of

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
        first_day=None if as_of is None else calendar.day_of(bucket_of(as_of)),
        last_day=calendar.day_of(bucket_of(now)),
    )
