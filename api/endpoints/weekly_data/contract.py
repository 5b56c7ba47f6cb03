"""The upstream contract of weekly-data: parsing `start`, finding its window and rendering the body. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Annotated, Final, NewType, TypedDict
from zoneinfo import ZoneInfo

from msgspec import Meta
from multidict import MultiMapping
from yarl import URL

from api.errors import StartMalformedError, StartMissingError
from projector.views.daily import DailyCounts

WEEKLY_DATA_PATH: Final = "/api/v1/engagement-dashboard/users/chat-busier/weekly-data"

Window = NewType("Window", tuple[date, ...])
"""The days of an answer, newest first: eight, or fewer if the window extends beyond the years 1 to 9999."""

WINDOW_DAYS: Final = 8

QUERIES: Final = 512
"""The number of query strings whose parsed window is cached."""

AS_OF: Final = "X-Headcount-As-Of"
PRECISION: Final = "X-Headcount-Precision"

_match_iso_instant = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)\.(\d{3})Z", re.ASCII).fullmatch

# The Gregorian calendar repeats every 400 years, including weekdays and leap years.
_CYCLE_YEARS: Final = 400
_CYCLE_DAYS: Final = 146_097


@dataclass(frozen=True, slots=True)
class Start:
    """The `start` of a query.

    JavaScript's years begin with 0 and `datetime`'s with 1, and `datetime` cannot convert between zones at
    either end of its range. So the actual instant is `instant` minus `cycles` times 400 years.
    """

    instant: datetime
    cycles: int = 0


class Row(TypedDict):
    """One day of the answer. The order of the keys is the contract's."""

    users: Annotated[int, Meta(ge=1)]
    day: Annotated[int, Meta(ge=1, le=31)]
    month: Annotated[int, Meta(ge=1, le=12)]
    year: Annotated[int, Meta(ge=1, le=9999)]


class WeeklyData(TypedDict):
    """The answer's body. The array is named `month`, although it is a week."""

    month: Annotated[list[Row], Meta(max_length=WINDOW_DAYS)]
    success: Annotated[bool, Meta(extra_json_schema={"const": True})]


def parse_window(query: MultiMapping[str], time_zone: ZoneInfo) -> Window:
    """Return the days that a query asks for; raises `StartMissingError` or `StartMalformedError`."""
    return window_ending_at(parse_start(query), time_zone)


@lru_cache(maxsize=QUERIES)
def window_of(url: URL, time_zone: ZoneInfo) -> Window:
    """Return the days that a URL's query asks for, as `parse_window` does, from a cache."""
    return parse_window(url.query, time_zone)


def parse_start(query: MultiMapping[str]) -> Start:
    """Parse `start`; it is valid only if JavaScript would parse it and print the same text."""
    values = query.getall("start", [])
    if not values:
        raise StartMissingError
    form = _match_iso_instant(values[0])
    if len(values) > 1 or form is None:
        raise StartMalformedError
    year, month, day, hour, minute, second, millisecond = map(int, form.groups())
    cycles = _cycles_into_range(year)
    year += cycles * _CYCLE_YEARS
    try:
        instant = datetime(year, month, day, hour, minute, second, millisecond * 1000, tzinfo=UTC)
    except ValueError as error:
        raise StartMalformedError from error
    return Start(instant, cycles)


def window_ending_at(start: Start, time_zone: ZoneInfo) -> Window:
    """Return the calendar day of `start` in the zone and the seven days before it."""
    last = start.instant.astimezone(time_zone).toordinal() - start.cycles * _CYCLE_DAYS
    ordinals = range(last, last - WINDOW_DAYS, -1)
    return Window(tuple(date.fromordinal(day) for day in ordinals if _is_date(day)))


def render_weekly_data(window: Window, users: Sequence[int]) -> WeeklyData:
    """Build the body: newest day first, days without users omitted."""
    counted = zip(window, users, strict=True)
    return {"month": [_row(day, count) for day, count in counted if count], "success": True}


def answer_headers(counts: DailyCounts) -> dict[str, str]:
    """Return the headers with the instant up to which every event is counted, and the precision.

    The instant is truncated to milliseconds, never rounded up: it must not be later than the counters'.
    """
    precision = f"{counts.standard_error:.4f}" if counts.standard_error else "exact"
    return {AS_OF: render_instant(counts.as_of), PRECISION: precision}


def render_instant(instant: datetime) -> str:
    """Format an aware instant as JavaScript's `toISOString()` does, truncated to milliseconds."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def _row(day: date, users: int) -> Row:
    return {"users": users, "day": day.day, "month": day.month, "year": day.year}


def _cycles_into_range(year: int) -> int:
    if year <= date.min.year:
        return 1
    return -1 if year == date.max.year else 0


def _is_date(ordinal: int) -> bool:
    return date.min.toordinal() <= ordinal <= date.max.toordinal()
