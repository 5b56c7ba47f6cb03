"""The report of an audit: each damaged counter, and a summary of those that hold more than the log."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime

from projector import keys
from projector.calendar import Calendar, start_of
from projector.rebuild.finding import Finding, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """A damaged counter of a day, or of the 15 minutes that begin at `bucket`; the other one is None.

    `state` is the state that was found; `repaired` is whether the counter is whole now.
    """

    workspace_id: str
    day: date | None
    bucket: datetime | None
    state: State
    repaired: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Surplus:
    """The number of counters that hold more than the log, and their range of days, inclusive."""

    counters: int
    first_day: date
    last_day: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The result of an audit that read `records`; `whole` is whether no counter is damaged any more."""

    whole: bool
    records: int
    damaged: list[Damage]
    surplus: Surplus | None


class Findings:
    """Collects findings; of several for one counter, the first is kept.

    `repaired` are the states that are repaired as soon as they are found.
    """

    def __init__(self, calendar: Calendar, *, repaired: Collection[State] = ()) -> None:
        self._calendar = calendar
        self._repaired = repaired
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
            repaired=state in self._repaired,
        )

    def _sum_up(self) -> Surplus:
        return Surplus(
            counters=self._surplus.total(), first_day=min(self._surplus), last_day=max(self._surplus)
        )

    def _day(self, period: date | int) -> date:
        return period if isinstance(period, date) else self._calendar.day_of(period)
