"""What a verification reports: day by day, how far the answer is from the recount, and how far it may be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from headcount.ops.verify.answers import Answer

STANDARD_ERRORS: Final = 3
"""How many of them an estimate may be off: of 370 estimates, one is further off by chance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One day. `error` is answered minus exact, in users; percentages are of the exact number.

    `bound_percent` is 0 for an exact counter. `within` is None where the log may have lost events of the day
    and the answer is above the recount: who is right can't be told.
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
    """The days of a workspace, recounted from so many records; `within` of the whole as of a day.

    `as_of` is the instant up to which every event is counted. `lost_until` is the last day of which the log
    may have lost events, None where it holds all.
    """

    workspace_id: str
    time_zone: str
    as_of: datetime
    within: bool | None
    records: int
    lost_until: date | None
    days: Sequence[Day]


def judge(exact: Mapping[date, int], answers: Mapping[date, Answer], *, lost_until: date | None) -> list[Day]:
    """Hold the answers of the days against their recount."""
    return [
        _judge_one(day, exact[day], answer, may_lack=lost_until is not None and day <= lost_until)
        for day, answer in answers.items()
    ]


def verdict(days: Sequence[Day]) -> bool | None:
    """Sum up: one day outside decides, else one that can't be told."""
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
