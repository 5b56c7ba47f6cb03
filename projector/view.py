"""The read side: how many people were active, and up to which instant that is known."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class DailyCounts:
    """`users[i]` is the number of distinct users of the i-th day asked for; 0 where there was none.

    `as_of` is aware, in UTC: every event published before it is counted.
    """

    users: Sequence[int]
    as_of: datetime


class CatchingUpError(Exception):
    """The projection does not hold the whole log yet: any number would be too low."""


class ViewUnavailableError(Exception):
    """Redis did not answer in time, or could not."""


class View(Protocol):
    """What the API asks of the projection."""

    async def daily_counts(self, workspace_id: str, days: Sequence[date]) -> DailyCounts:
        """Read the counters of the days in one round trip.

        Raises `CatchingUpError` or `ViewUnavailableError`.
        """
        ...

    async def as_of(self) -> datetime:
        """Read only the as-of instant; raises as `daily_counts` does."""
        ...
