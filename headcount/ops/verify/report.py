"""The report of a verification: the error of each day's answer, and the error that is allowed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from headcount.ops.verify.answers import Answer

STANDARD_ERRORS: Final = 3
"""The allowed error of an estimate; one of 370 estimates exceeds it by chance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One day. `error` is answered minus exact, in users; percentages are of the exact number.

    `bound_percent` is 0 for an exact counter. `within` is None if the log may have lost events of the day
    and the answer exceeds the recount: which of them is right can't be determined.
    """

    day: date
    exact: int
    answered: int
    error: int
    error_percent: float | None
    bound_percent: float
    within: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The days of a workspace, recounted from `records`; `within` summarizes those of the days.

    `as_of` is the instant up to which every event is counted. `lost_until` is the last day of which the log
    may have lost events, None if it holds all.
    """

    workspace_id: str
    time_zone: str
    as_of: datetime
    within: bool | None
    records: int
    lost_until: date | None
    days: Sequence[Day]


def judge(exact: Mapping[date, int], answers: Mapping[date, Answer], *, lost_until: date | None) -> list[Day]:
    """Compare the answers of the days with their recount."""
    return [
        _judge_one(day, exact[day], answer, may_lack=lost_until is not None and day <= lost_until)
        for day, answer in answers.items()
    ]


def verdict(days: Sequence[Day]) -> bool | None:
    """Return False if any day is outside its bound, else None if any is undetermined, else True."""
    verdicts = {day.within for day in days}
    if False in verdicts:
        return False
    return None if None in verdicts else True


def _judge_one(day: date, exact: int, answer: Answer, *, may_lack: bool) -> Day:
    error = answer.users - exact
    bound = STANDARD_ERRORS * answer.standard_error
    within = abs(error) <= bound * exact
    return Day(
        day=day,
        exact=exact,
        answered=answer.users,
        error=error,
        error_percent=round(100 * error / exact, 2) if exact else None,
        bound_percent=round(100 * bound, 2),
        within=None if may_lack and error > 0 and not within else within,
    )
