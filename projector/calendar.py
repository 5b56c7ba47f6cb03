"""The calendar: the bucket and the day of an instant, and when their counters expire."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

BUCKET_SECONDS: Final = 900
"""Since 1979 every zone's offset is a multiple of 15 minutes: a bucket is within one day of any zone, unless
the offset changes within the bucket, as in Newfoundland until 2011. See `Calendar.whole_day_of`."""

_ALL_BUT_A_MICROSECOND: Final = timedelta(seconds=BUCKET_SECONDS, microseconds=-1)
LAST_DAY: Final = date(9999, 12, 30)
"""The last day whose midnight is an instant in every zone; later counters expire with it."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def bucket_of(instant: datetime) -> int:
    """Return the number of the 15-minute bucket of UTC that contains an aware instant."""
    return (instant - _EPOCH) // timedelta(seconds=BUCKET_SECONDS)


def start_of(bucket: int) -> datetime:
    """Return the instant at which a bucket begins, in UTC."""
    return _EPOCH + timedelta(seconds=bucket * BUCKET_SECONDS)


def end_of(bucket: int) -> datetime:
    """Return the last instant of a bucket, in UTC; that of the last bucket is `datetime.max`."""
    return start_of(bucket) + _ALL_BUT_A_MICROSECOND


def buckets_of(day: date, time_zone: ZoneInfo) -> list[int]:
    """Return the buckets that begin in a zone's day, of any length; they are not always consecutive."""
    midnight = datetime.combine(day, time.min, tzinfo=UTC)
    near = range(bucket_of(midnight - timedelta(days=1)), bucket_of(midnight + timedelta(days=2)))
    return [bucket for bucket in near if _day_of(bucket, time_zone) == day]


def date_in(time_zone: ZoneInfo, instant: datetime) -> date:
    """Return the calendar day of an aware instant in a zone."""
    try:
        return instant.astimezone(time_zone).date()
    except OverflowError:  # the first hours of year 1 west of Greenwich, the last of year 9999 east of it
        return date.min if instant.year == date.min.year else date.max


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """The deployment's calendar. A retention of 0 days means that counters never expire."""

    time_zone: ZoneInfo
    retention_days: int
    bucket_retention_days: int

    def date_of(self, instant: datetime) -> date:
        """Return the calendar day, in the deployment's zone, of an aware instant."""
        return date_in(self.time_zone, instant)

    def day_of(self, bucket: int) -> date:
        """Return the calendar day, in the deployment's zone, in which a bucket begins."""
        return _day_of(bucket, self.time_zone)

    def whole_day_of(self, bucket: int) -> date | None:
        """Return the calendar day of every instant of a bucket, None if they may be of different days."""
        return _whole_day_of(bucket, self.time_zone)

    def day_expires_at(self, day: date) -> int:
        """Return the second of the epoch at which a day's counter expires, 0 for never."""
        if self.retention_days == 0:
            return 0
        kept = timedelta(days=self.retention_days + 1)
        return self._midnight(min(day, LAST_DAY - kept) + kept)

    def bucket_expires_at(self, bucket: int) -> int:
        """Return the second of the epoch at which a bucket's counter expires, 0 for never."""
        if self.bucket_retention_days == 0:
            return 0
        end = (bucket + 1) * BUCKET_SECONDS
        return end + int(timedelta(days=self.bucket_retention_days).total_seconds())

    def is_expired(self, period: date | int, now: datetime) -> bool:
        """Return whether the counter of a day or a bucket has expired at `now`, which is aware."""
        expires_at = (
            self.day_expires_at(period) if isinstance(period, date) else self.bucket_expires_at(period)
        )
        return 0 < expires_at <= now.timestamp()

    def oldest_bucket(self, now: datetime) -> int | None:
        """Return the first bucket whose day has not expired at `now`, None if days never expire."""
        if self.retention_days == 0:
            return None
        today = now.astimezone(self.time_zone).date()
        return self._midnight(today - timedelta(days=self.retention_days)) // BUCKET_SECONDS

    def kept_from(self, now: datetime) -> datetime | None:
        """Return the first instant whose day has not expired at `now`, None if days never expire."""
        oldest = self.oldest_bucket(now)
        return None if oldest is None else start_of(oldest)

    def _midnight(self, day: date) -> int:
        return int(datetime.combine(day, time.min, tzinfo=self.time_zone).timestamp())


@lru_cache(maxsize=65_536)
def _day_of(bucket: int, time_zone: ZoneInfo) -> date:
    return date_in(time_zone, start_of(bucket))


@lru_cache(maxsize=65_536)
def _whole_day_of(bucket: int, time_zone: ZoneInfo) -> date | None:
    try:
        first, last = (instant.astimezone(time_zone) for instant in (start_of(bucket), end_of(bucket)))
    except OverflowError:
        return None
    # The offsets too: a clock that is set back within the bucket may return to the previous day for a while.
    is_whole = first.date() == last.date() and first.utcoffset() == last.utcoffset()
    return first.date() if is_whole else None
