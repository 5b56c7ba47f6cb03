"""`start`, the window and the body, without a server."""

import string
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from multidict import MultiDict

from api.endpoints.weekly_data.contract import (
    Start,
    Window,
    answer_headers,
    parse_start,
    parse_window,
    render_weekly_data,
    window_ending_at,
)
from api.errors import StartMalformedError, StartMissingError
from projector.views.daily import DailyCounts

ZONES = [
    "UTC",
    "Asia/Kathmandu",  # +05:45
    "America/St_Johns",  # -03:30, -02:30 in summer
    "Pacific/Apia",  # had no 30th of December in 2011
    "Europe/Berlin",
    "Pacific/Kiritimati",  # +14:00
    "Africa/Monrovia",  # -00:44:30 until 1972
]


def ask(start: str) -> MultiDict[str]:
    return MultiDict(start=start)


def is_accepted(text: str) -> bool:
    try:
        parse_start(ask(text))
    except StartMalformedError:
        return False
    return True


def round_trips(text: str) -> bool:
    """Parse the text leniently, print it as `toISOString()` does, and compare.

    `strptime` has no year 0; its calendar is that of the year 400.
    """
    readable = f"0400-{text.removeprefix('0000-')}" if text.startswith("0000-") else text
    try:
        instant = datetime.strptime(readable, "%Y-%m-%dT%H:%M:%S.%f%z")
    except ValueError:
        return False
    printed = instant.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
    return printed == readable


def javascript(instant: datetime) -> str:
    return instant.isoformat(timespec="milliseconds") + "Z"


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """Draw an instant as JavaScript prints it, with one character replaced, inserted or removed."""
    text = javascript(draw(st.datetimes()))
    at = draw(st.integers(0, len(text)))
    new = draw(st.text(string.printable, max_size=1) | st.characters())
    return text[:at] + new + text[at + draw(st.integers(0, 1)) :]


numbers_in_place = st.from_regex(r"[0-9]{4}-[0-3]\d-[0-3]\dT[0-2]\d:[0-6]\d:[0-6]\d\.\d{3}Z", fullmatch=True)


@given(st.datetimes())
def test_whatever_javascript_prints_is_accepted_and_means_the_same(instant: datetime) -> None:
    instant = instant.replace(microsecond=instant.microsecond // 1000 * 1000)
    start = parse_start(ask(javascript(instant)))
    assert start.instant.replace(tzinfo=None, year=2000) == instant.replace(year=2000)
    assert start.instant.year - 400 * start.cycles == instant.year


@given(st.text() | damaged() | numbers_in_place)
@example("0000-02-29T00:00:00.000Z")
@example("2023-05-19T00:00:00.000+00:00")
@example("2023-05-19T02:00:00.000+02:00")
def test_a_text_is_accepted_if_and_only_if_it_round_trips(text: str) -> None:
    assert is_accepted(text) == round_trips(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "now",
        "1684454400000",
        "2023-05-19",
        "2023-05-19T00:00Z",
        "2023-05-19T00:00:00Z",
        "2023-05-19T00:00:00.0Z",
        "2023-05-19T00:00:00.00Z",
        "2023-05-19T00:00:00.0000Z",
        "2023-05-19T00:00:00.000",
        "2023-05-19T00:00:00.000z",
        "2023-05-19t00:00:00.000Z",
        "2023-05-19 00:00:00.000Z",
        "2023-05-19T00:00:00,000Z",
        "2023-05-19T00:00:00.000+00:00",
        "2023-05-19T00:00:00.000-00:00",
        "2023-05-19T00:00:00.000ZZ",
        "2023-05-19T00:00:00.000Z\n",
        "2023-05-19T00:00:00.000Z ",
        " 2023-05-19T00:00:00.000Z",
        "2023-05-19T00:00:00.000Z\0",
        "2023-05-19T24:00:00.000Z",  # JavaScript parses it, and prints the next day
        "2023-05-19T24:00:00.001Z",
        "2023-05-19T23:60:00.000Z",
        "2016-12-31T23:59:60.000Z",  # a leap second that existed
        "2023-02-29T00:00:00.000Z",  # JavaScript parses it as the 1st of March
        "2023-02-30T00:00:00.000Z",
        "2023-04-31T00:00:00.000Z",
        "1900-02-29T00:00:00.000Z",
        "2023-13-01T00:00:00.000Z",
        "2023-00-10T00:00:00.000Z",
        "2023-01-00T00:00:00.000Z",
        "23-05-19T00:00:00.000Z",
        "-0001-01-01T00:00:00.000Z",
        "-000000-01-01T00:00:00.000Z",
        "+002023-05-19T00:00:00.000Z",
        "+012345-05-19T00:00:00.000Z",
        "-000001-01-01T00:00:00.000Z",
        "2023-05-19T00:00:0\N{ARABIC-INDIC DIGIT ZERO}.000Z",
        "\N{FULLWIDTH DIGIT TWO}023-05-19T00:00:00.000Z",
        "2023\N{HYPHEN}05-19T00:00:00.000Z",
    ],
)
def test_refused_starts(text: str) -> None:
    with pytest.raises(StartMalformedError):
        parse_start(ask(text))


@pytest.mark.parametrize(
    "text",
    [
        "2023-05-19T00:00:00.000Z",
        "2023-05-19T23:59:59.999Z",
        "2000-02-29T00:00:00.000Z",
        "2024-02-29T00:00:00.000Z",
        "1969-12-31T23:59:59.999Z",
        "0000-01-01T00:00:00.000Z",
        "0000-02-29T00:00:00.000Z",
        "0001-01-01T00:00:00.000Z",
        "9999-12-31T23:59:59.999Z",
    ],
)
def test_accepted_starts(text: str) -> None:
    assert is_accepted(text)


def test_an_absent_start_is_distinguished_from_an_empty_one() -> None:
    with pytest.raises(StartMissingError):
        parse_window(MultiDict(), ZoneInfo("UTC"))
    with pytest.raises(StartMalformedError):
        parse_window(ask(""), ZoneInfo("UTC"))


@given(st.lists(st.text() | st.just("2023-05-19T00:00:00.000Z"), min_size=2, max_size=4))
def test_start_given_more_than_once_is_refused(values: list[str]) -> None:
    with pytest.raises(StartMalformedError):
        parse_start(MultiDict([("start", value) for value in values]))


@given(st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31)), st.sampled_from(ZONES))  # noqa: DTZ001  drawn naive, made aware below
def test_a_window_is_the_local_day_and_the_seven_before(instant: datetime, zone: str) -> None:
    window = window_ending_at(Start(instant.replace(tzinfo=UTC)), ZoneInfo(zone))
    last = instant.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).date()
    assert window == tuple(last - timedelta(days=back) for back in range(8))


@given(st.from_regex(r"(000[0-2]|999[89])-(01-0[1-9]|12-3[01])T(0[0-9]|2[0-3]):59:00\.000Z", fullmatch=True))
def test_windows_beyond_the_years_1_and_9999_are_clipped_and_never_fail(text: str) -> None:
    for zone in ZONES:
        window = parse_window(ask(text), ZoneInfo(zone))
        assert len(window) <= 8
        assert list(window) == sorted(set(window), reverse=True)
        assert not window or (window[0] - window[-1]).days == len(window) - 1


def days(*texts: str) -> tuple[date, date]:
    newest, oldest = map(date.fromisoformat, texts)
    return newest, oldest


@pytest.mark.parametrize(
    ("zone", "start", "newest", "oldest"),
    [
        ("UTC", "2023-05-19T00:00:00.000Z", "2023-05-19", "2023-05-12"),
        ("UTC", "2023-05-19T23:59:59.999Z", "2023-05-19", "2023-05-12"),
        ("UTC", "2024-03-01T00:00:00.000Z", "2024-03-01", "2024-02-23"),
        ("UTC", "2023-01-03T00:00:00.000Z", "2023-01-03", "2022-12-27"),
        # Kathmandu is 5 h 45 min ahead.
        ("Asia/Kathmandu", "2023-05-19T18:14:59.999Z", "2023-05-19", "2023-05-12"),
        ("Asia/Kathmandu", "2023-05-19T18:15:00.000Z", "2023-05-20", "2023-05-13"),
        # St John's is 2 h 30 min behind in summer and 3 h 30 min in winter.
        ("America/St_Johns", "2023-07-01T02:29:59.999Z", "2023-06-30", "2023-06-23"),
        ("America/St_Johns", "2023-07-01T02:30:00.000Z", "2023-07-01", "2023-06-24"),
        ("America/St_Johns", "2023-01-10T03:29:59.999Z", "2023-01-09", "2023-01-02"),
        ("America/St_Johns", "2023-01-10T03:30:00.000Z", "2023-01-10", "2023-01-03"),
        # Until 2011 its clocks changed at one minute past midnight: this day's last minutes occurred twice.
        ("America/St_Johns", "2010-11-07T02:30:00.000Z", "2010-11-07", "2010-10-31"),
        ("America/St_Johns", "2010-11-07T02:31:00.000Z", "2010-11-06", "2010-10-30"),
        ("America/St_Johns", "2010-11-07T03:30:00.000Z", "2010-11-07", "2010-10-31"),
        # Apia skipped the 30th, which the calendar still has.
        ("Pacific/Apia", "2011-12-30T09:59:59.999Z", "2011-12-29", "2011-12-22"),
        ("Pacific/Apia", "2011-12-30T10:00:00.000Z", "2011-12-31", "2011-12-24"),
        # Berlin's days of 23 and of 25 hours.
        ("Europe/Berlin", "2023-03-25T22:59:59.999Z", "2023-03-25", "2023-03-18"),
        ("Europe/Berlin", "2023-03-25T23:00:00.000Z", "2023-03-26", "2023-03-19"),
        ("Europe/Berlin", "2023-03-26T21:59:59.999Z", "2023-03-26", "2023-03-19"),
        ("Europe/Berlin", "2023-03-26T22:00:00.000Z", "2023-03-27", "2023-03-20"),
        ("Europe/Berlin", "2023-10-29T22:59:59.999Z", "2023-10-29", "2023-10-22"),
        ("Europe/Berlin", "2023-10-29T23:00:00.000Z", "2023-10-30", "2023-10-23"),
    ],
)
def test_windows_at_the_edges_of_days(zone: str, start: str, newest: str, oldest: str) -> None:
    window = parse_window(ask(start), ZoneInfo(zone))
    assert (window[0], window[-1]) == days(newest, oldest)
    assert len(window) == 8


@given(st.lists(st.integers(0, 2**53), min_size=8, max_size=8))
def test_the_body_is_newest_first_without_empty_days(users: Sequence[int]) -> None:
    window = window_ending_at(Start(datetime(2024, 3, 4, tzinfo=UTC)), ZoneInfo("UTC"))
    body = orjson.loads(orjson.dumps(render_weekly_data(window, users)))
    rows = body.pop("month")
    assert body == {"success": True}
    told = {date(row["year"], row["month"], row["day"]): row["users"] for row in rows}
    assert told == {day: count for day, count in zip(window, users, strict=True) if count > 0}
    assert list(told) == sorted(told, reverse=True)
    assert all(list(row) == ["users", "day", "month", "year"] for row in rows)


def test_counts_must_match_the_window() -> None:
    with pytest.raises(ValueError, match="shorter"):
        render_weekly_data(Window((date(2024, 1, 2), date(2024, 1, 1))), [1])


@given(st.datetimes(timezones=st.just(UTC)))
def test_as_of_is_at_most_a_millisecond_behind_and_never_ahead(as_of: datetime) -> None:
    told = datetime.fromisoformat(answer_headers(DailyCounts([], as_of, 0.0))["X-Headcount-As-Of"])
    assert timedelta(0) <= as_of - told < timedelta(milliseconds=1)
