"""Maps the sample week to the calendar: each day repeats the sample's day of the same weekday.

So weekdays keep their profile, and a restart on any later day continues without a break.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Final

from headcount.ops.replay.recording import Activity, read

SAMPLE: Final = Path(__file__).parent / "sample" / "week.tsv.gz"

_occurred_at = attrgetter("occurred_at")


class Week:
    """Seven days of activity, repeated for ever; `activities` are in order, with some on each weekday."""

    def __init__(self, activities: Sequence[Activity]) -> None:
        self._activities = activities
        days = {activity.occurred_at.date() for activity in activities}
        self._midnights = {day.weekday(): midnight(day) for day in days}

    def between(self, after: datetime, until: datetime) -> Iterator[Activity]:
        """Yield the activities after `after` up to and including `until`, in order."""
        day = after.date()
        while day <= until.date():
            start, end = midnight(day), midnight(day + timedelta(days=1))
            yield from self._on(day, max(after, start), min(until, end))
            day += timedelta(days=1)

    def _on(self, day: date, after: datetime, until: datetime) -> Iterator[Activity]:
        shift = midnight(day) - self._midnights[day.weekday()]
        first = bisect_right(self._activities, after - shift, key=_occurred_at)
        last = bisect_right(self._activities, until - shift, key=_occurred_at)
        return (Activity(occurred_at + shift, *who) for occurred_at, *who in self._activities[first:last])


def load_week(path: Path = SAMPLE) -> Week:
    """Read the sample, raising as `headcount.ops.replay.recording.read` does."""
    return Week(tuple(spread(read(path))))


def spread(activities: Iterable[Activity]) -> Iterator[Activity]:
    """Space the activities of each minute evenly, so that they do not come in bursts."""
    for minute, together in groupby(activities, key=_occurred_at):
        group = list(together)
        step = timedelta(minutes=1) / len(group)
        for place, (_, *who) in enumerate(group):
            yield Activity(minute + step * (place + 0.5), *who)


def midnight(day: date) -> datetime:
    """Return the first instant of the day in UTC."""
    return datetime.combine(day, time(), UTC)
