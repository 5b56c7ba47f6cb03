"""The calendar: which bucket and which day an event belongs to, and when their counters expire."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

BUCKET_SECONDS: Final = 900
"""Every modern zone's offset is a multiple of a quarter of an hour: a bucket lies in one day of any zone."""

_ALL_BUT_A_MICROSECOND: Final = timedelta(seconds=BUCKET_SECONDS, microseconds=-1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def bucket_of(instant: datetime) -> int:
    """Return the number of the 15-minute bucket of UTC that holds an aware instant."""
    return (instant - _EPOCH) // timedelta(seconds=BUCKET_SECONDS)


def start_of(bucket: int) -> datetime:
    """Return the instant at which a bucket begins, in UTC."""
    return _EPOCH + timedelta(seconds=bucket * BUCKET_SECONDS)


def end_of(bucket: int) -> datetime:
    """Return the last instant of a bucket, in UTC; that of the very last one is the last that there is."""
    return start_of(bucket) + _ALL_BUT_A_MICROSECOND


def buckets_of(day: date, time_zone: ZoneInfo) -> range:
    """Return the buckets of a zone's day, however long it is."""
    midnights = (
        datetime.combine(each, time.min, tzinfo=time_zone) for each in (day, day + timedelta(days=1))
    )
    return range(*map(bucket_of, midnights))


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """The deployment's calendar. A retention of 0 days keeps counters for ever."""

    time_zone: ZoneInfo
    retention_days: int
    bucket_retention_days: int

    def day_of(self, bucket: int) -> date:
        """Return the calendar day, in the deployment's zone, of a bucket."""
        return _day_of(bucket, self.time_zone)

    def day_expires_at(self, day: date) -> int:
        """Return the second of the epoch at which a day's counter expires, 0 for never."""
        if self.retention_days == 0:
            return 0
        return self._midnight(day + timedelta(days=self.retention_days + 1))

    def bucket_expires_at(self, bucket: int) -> int:
        """Return the second of the epoch at which a bucket's counter expires, 0 for never."""
        if self.bucket_retention_days == 0:
            return 0
        end = (bucket + 1) * BUCKET_SECONDS
        return end + int(timedelta(days=self.bucket_retention_days).total_seconds())

    def oldest_bucket(self, now: datetime) -> int | None:
        """Return the first bucket whose day is still kept at `now`, None where all are."""
        if self.retention_days == 0:
            return None
        today = now.astimezone(self.time_zone).date()
        return self._midnight(today - timedelta(days=self.retention_days)) // BUCKET_SECONDS

    def _midnight(self, day: date) -> int:
        return int(datetime.combine(day, time.min, tzinfo=self.time_zone).timestamp())


@lru_cache(maxsize=65_536)
def _day_of(bucket: int, time_zone: ZoneInfo) -> date:
    try:
        return start_of(bucket).astimezone(time_zone).date()
    except OverflowError:  # the first hours of year 1, west of Greenwich
        return date.min
