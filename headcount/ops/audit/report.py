"""What an audit reports: each damaged counter by name, and in sum those that hold more than the log does."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime

from projector import keys
from projector.calendar import Calendar, start_of
from projector.rebuild.finding import Finding, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """A damaged counter: of a day, or of the 15 minutes from `bucket` on; one of the two is None.

    `state` is how it was found; `repaired` tells whether it is whole now.
    """

    workspace_id: str
    day: date | None
    bucket: datetime | None
    state: State
    repaired: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Surplus:
    """How many counters hold more than what was read of the log, and of which days, both included."""

    counters: int
    first_day: date
    last_day: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was found in how many records of the log; `whole` where no counter is damaged any more."""

    whole: bool
    records: int
    damaged: list[Damage]
    surplus: Surplus | None


class Findings:
    """Collects findings; of a counter that is met more than once, the first tells how it was.

    `mended` are the states that are no more once they are found.
    """

    def __init__(self, calendar: Calendar, *, mended: Collection[State] = ()) -> None:
        self._calendar = calendar
        self._mended = mended
        self._damaged: dict[keys.Counter, State] = {}
        self._surplus: Counter[date] = Counter()

    def note(self, finding: Finding) -> None:
        if finding.state == "surplus":
            self._surplus[self._day(finding.counter.period)] += 1
        else:
            self._damaged.setdefault(finding.counter, finding.state)

    def report(self, records: int) -> Report:
        damaged = [self._damage(counter, state) for counter, state in self._damaged.items()]
        return Report(
            whole=all(damage.repaired for damage in damaged),
            records=records,
            damaged=sorted(
                damaged,
                key=lambda damage: (damage.workspace_id, str(damage.day or ""), str(damage.bucket or "")),
            ),
            surplus=self._sum_up() if self._surplus else None,
        )

    def _damage(self, counter: keys.Counter, state: State) -> Damage:
        workspace_id, period = counter
        return Damage(
            workspace_id=workspace_id,
            day=period if isinstance(period, date) else None,
            bucket=None if isinstance(period, date) else start_of(period),
            state=state,
            repaired=state in self._mended,
        )

    def _sum_up(self) -> Surplus:
        return Surplus(
            counters=self._surplus.total(), first_day=min(self._surplus), last_day=max(self._surplus)
        )

    def _day(self, period: date | int) -> date:
        return period if isinstance(period, date) else self._calendar.day_of(period)
