"""How far answers are from the truth, and whether that is within the bound that is promised."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.people import Counts, WorkspaceDay

BOUND: Final = 0.033
"""Four times the standard error of Redis' HyperLogLog, which is documented as 0.81 %."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """One day: the exact number of users, the answer, and what a plain HyperLogLog of the same ids says."""

    day: WorkspaceDay
    exact: int
    answered: int
    plain: int

    def __str__(self) -> str:
        return f"{self.answered:,} for {self.exact:,} ({self.share:.2%}), {self.day}"

    @property
    def users(self) -> int:
        """By how many users the answer is off."""
        return abs(self.answered - self.exact)

    @property
    def share(self) -> float:
        """By what share of the exact number the answer is off."""
        return self.users / self.exact if self.exact else float(self.users > 0)

    @property
    def is_outside(self) -> bool:
        """Whether the answer is off by more than the bound: 1 user, or 3.3 % if that is more."""
        # A day is answered if and only if it has users: there a single one too many or too few is wrong.
        if 0 in {self.answered, self.exact}:
            return self.answered != self.exact
        return self.users > max(1, BOUND * self.exact)


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Numbers of workspace-days, and those worth a look."""

    days: int
    exact: int
    off_by_one: int
    worst_share: Deviation
    worst_users: Deviation
    largest: Deviation
    outside: Sequence[Deviation]
    other_than_plain: Sequence[Deviation]


def deviations(*, truth: Counts, answers: Counts, plain: Counts) -> Sequence[Deviation]:
    """Compare day by day; one that only one side has counts as 0 on the other."""
    return [
        Deviation(day=day, exact=truth.get(day, 0), answered=answers.get(day, 0), plain=plain.get(day, 0))
        for day in sorted(truth.keys() | answers.keys())
    ]


def summarise(days: Sequence[Deviation]) -> Summary:
    """Sum up at least one day."""
    return Summary(
        days=len(days),
        exact=sum(day.users == 0 for day in days),
        off_by_one=sum(day.users == 1 for day in days),
        worst_share=max(days, key=lambda day: day.share),
        worst_users=max(days, key=lambda day: day.users),
        largest=max(days, key=lambda day: day.exact),
        outside=[day for day in days if day.is_outside],
        other_than_plain=[day for day in days if day.answered != day.plain],
    )
