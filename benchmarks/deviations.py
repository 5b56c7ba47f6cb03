"""How far answers are from the truth, and whether that is within the bound that is promised."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.people import Counts, WorkspaceDay

EXACT_UP_TO: Final = 512
BOUND: Final = 0.033
"""Four times the standard error of Redis' HyperLogLog, which is documented as 0.81 %."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """One day: the true number of users, the answer, and what a bare HyperLogLog of the same ids says."""

    day: WorkspaceDay
    exact: int
    answered: int
    bare: int

    def __str__(self) -> str:
        return f"{self.answered:,} for {self.exact:,} ({self.share:.2%}), {self.day}"

    @property
    def is_small(self) -> bool:
        """Whether the answer has to be exact."""
        return self.exact <= EXACT_UP_TO

    @property
    def users(self) -> int:
        """By how many users the answer is off."""
        return abs(self.answered - self.exact)

    @property
    def share(self) -> float:
        """By what share of the true number the answer is off."""
        return self.users / self.exact if self.exact else float(self.users > 0)

    @property
    def is_outside(self) -> bool:
        """Whether the answer is off by more than is promised: at all, or by 3.3 % where it is an estimate."""
        return self.users > (0 if self.is_small else BOUND * self.exact)


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Numbers of workspace-days, and those worth a look; `small` ones have to be exact."""

    days: int
    exact: int
    small: int
    small_exact: int
    bare_exact: int
    large: Sequence[Deviation]
    outside: Sequence[Deviation]
    worst: Deviation
    """By share."""
    bare_worst: Deviation


def deviations(*, truth: Counts, answers: Counts, bare: Counts) -> Sequence[Deviation]:
    """Compare day by day; one that only one side has counts as 0 on the other."""
    return [
        Deviation(day=day, exact=truth.get(day, 0), answered=answers.get(day, 0), bare=bare.get(day, 0))
        for day in sorted(truth.keys() | answers.keys())
    ]


def summarise(days: Sequence[Deviation]) -> Summary:
    """Sum up at least one day."""
    small = [day for day in days if day.is_small]
    return Summary(
        days=len(days),
        exact=sum(day.users == 0 for day in days),
        small=len(small),
        small_exact=sum(day.users == 0 for day in small),
        bare_exact=sum(day.bare == day.exact for day in days),
        large=[day for day in days if not day.is_small],
        outside=[day for day in days if day.is_outside],
        worst=max(days, key=lambda day: day.share),
        bare_worst=max(days, key=lambda day: abs(day.bare - day.exact) / max(1, day.exact)),
    )
