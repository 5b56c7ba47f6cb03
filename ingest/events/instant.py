"""Parses the instants of events: RFC 3339, strictly, truncated to microseconds."""

import re
from datetime import UTC, datetime
from typing import Annotated, Final

import msgspec

_MICROSECOND_DIGITS: Final = 6
_LAST_MILLISECOND: Final = 253_402_214_400_000
"""In the last day but one of the year 9999, so that a time zone or a tolerance stays within `datetime`."""
_is_rfc3339 = re.compile(
    r"^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.(?P<fraction>\d+))?(?:[Zz]|[+-]\d\d:\d\d)\Z", re.ASCII
).match

_DATE: Final = "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_HOUR: Final = "([01][0-9]|2[0-3])"
_PUBLISHED: Final = msgspec.Meta(
    description="RFC 3339, with Z or an offset, and any number of fraction digits.",
    extra_json_schema={
        "format": "date-time",
        # Stricter than the parser: validators may ignore `format`, and it allows leap seconds.
        "pattern": f"^{_DATE}[Tt]{_HOUR}(:[0-5][0-9]){{2}}([.][0-9]+)?([Zz]|[+-]{_HOUR}:[0-5][0-9])$",
        # In the first and the last year, an offset may lead out of the range.
        "not": {"pattern": "^(000[01]|9999)"},
    },
)

Instant = Annotated[datetime, msgspec.Meta(tz=True), _PUBLISHED]
"""An instant that msgspec decodes: it rounds, and is lenient with offsets."""
InstantText = Annotated[str, _PUBLISHED]
"""An instant that is parsed later."""


def instant_of(timestamp: int) -> datetime:
    """Return a record's timestamp, in ms of the epoch, as an instant, limited to the range of `datetime`.

    A producer may set any value: microseconds in place of milliseconds lead to the year 57864.
    """
    return datetime.fromtimestamp(min(max(timestamp, 0), _LAST_MILLISECOND) / 1000, UTC)


def parse_instant(text: str) -> datetime:
    """Parse an instant into UTC; raises `ValueError` with the predicate of a sentence about the field.

    A fraction is truncated, never rounded: at midnight that would be the next day.
    """
    form = _is_rfc3339(text)
    if form is None:
        raise ValueError("must be RFC 3339 with Z or an offset")
    fraction = form["fraction"] or ""
    truncated = text.replace(f".{fraction}", f".{fraction[:_MICROSECOND_DIGITS]}") if fraction else text
    try:
        return datetime.fromisoformat(truncated.upper()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"is no instant: {error}") from error
