"""What a rebuild reports: what differs, and what would be lost by it."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from headcount.ops.audit.report import Findings
from headcount.ops.audit.report import Report as Differences
from ingest.errors import OperatorError
from projector.calendar import Calendar
from projector.deployment import Change, OtherDeploymentError
from projector.keys import Counter
from projector.rebuild.finding import Finding

SHOWN_DAYS: Final = 10
RETENTION: Final = frozenset({"retention_days", "bucket_retention_days"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the new counters are beside those that were live before.

    `differences` are told as seen from the latter: `missing` or `incomplete` is what they lacked, a surplus
    what the log does not hold. `lost_days` are those whose numbers fall because the log no longer reaches
    back; `losses` say all that is lost in sentences. `forgotten` is the number of people who are left out.
    """

    replaced: bool
    records: int
    forgotten: int
    changes: Sequence[Change]
    differences: Differences
    lost_days: Sequence[date]
    losses: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a rebuild's findings are judged by.

    `lost_until` is the last day of which the log may have lost events, None where it lost none.
    `unknown_forgotten` tells that people who are to be forgotten are recorded under a key that is gone.
    `now`, which is aware, decides which counters the retention has ended; None where it has ended none.
    """

    calendar: Calendar
    changes: Sequence[Change]
    lost_until: date | None
    unknown_forgotten: bool
    forgotten: int = 0
    now: datetime | None = None

    @property
    def is_same_meaning(self) -> bool:
        """Tell whether the new counters hold the same people as the live ones, as far as the log does."""
        return all(change.field in RETENTION for change in self.changes)


def make_report(findings: Collection[Finding], records: int, terms: Terms) -> Report:
    """Sum up what was found, of counters that were not replaced yet."""
    collected = Findings(terms.calendar)
    for finding in findings:
        collected.note(finding)
    lost_days = sorted({day_of(finding.counter, terms.calendar) for finding in _lost(findings, terms)})
    return Report(
        replaced=False,
        records=records,
        forgotten=terms.forgotten,
        changes=terms.changes,
        differences=collected.report(records),
        lost_days=lost_days,
        losses=list(_losses(lost_days, terms)),
    )


def day_of(counter: Counter, calendar: Calendar) -> date:
    """Return the day that a counter is of, or that its bucket is in."""
    return counter.period if isinstance(counter.period, date) else calendar.day_of(counter.period)


def refuse_loss(report: Report) -> None:
    """Raise `OperatorError` where the switch would lose counts."""
    if report.losses:
        options = "".join(f" --change {change.setting}" for change in changes_of_settings(report.changes))
        raise OperatorError(
            f"{' '.join(report.losses)} Nothing was replaced. To replace the counters all the same: "
            f"headcount rebuild --yes{options}, which goes on from here. To discard what was counted: "
            "headcount rebuild --dry-run"
        )


def accept_loss(_report: Report) -> None:
    """Take whatever comes."""


def accept_changes(_changes: Sequence[Change]) -> None:
    """Take whatever comes, as a rebuild may that replaces nothing."""


def accept_only(settings: Collection[str]) -> Callable[[Sequence[Change]], None]:
    """Return what raises `OtherDeploymentError` where a setting would change that is not among these."""

    def consent(changes: Sequence[Change]) -> None:
        if unwanted := [change for change in changes_of_settings(changes) if change.setting not in settings]:
            raise OtherDeploymentError(unwanted)

    return consent


def changes_of_settings(changes: Sequence[Change]) -> list[Change]:
    """Return the changes that come from settings, not from commands as the list of forgotten people does."""
    return [change for change in changes if change.setting is not None]


def _lost(findings: Iterable[Finding], terms: Terms) -> list[Finding]:
    """Return those whose people may be gone from the log.

    Under another meaning a counter rightly holds other people: there it takes a log that has lost some. A
    counter that a shorter retention has ended is not lost: the retention is what was asked for.
    """
    return [
        finding
        for finding in findings
        if not (terms.now and terms.calendar.is_expired(finding.counter.period, terms.now))
        and _is_lost(finding, terms)
    ]


def _is_lost(finding: Finding, terms: Terms) -> bool:
    if finding.state == "surplus" and terms.is_same_meaning:
        return True
    return (
        finding.state in {"surplus", "incomplete"}
        and terms.lost_until is not None
        and day_of(finding.counter, terms.calendar) <= terms.lost_until
    )


def _losses(lost_days: Sequence[date], terms: Terms) -> Iterable[str]:
    if lost_days:
        shown = ", ".join(map(str, lost_days[:SHOWN_DAYS]))
        more = f" and {len(lost_days) - SHOWN_DAYS:,} more" if len(lost_days) > SHOWN_DAYS else ""
        yield f"The log no longer holds everybody who was counted on {shown}{more}: these numbers would fall."
    if terms.unknown_forgotten:
        yield (
            "Who is to be forgotten is recorded under the key before, and would be counted again: "
            "run headcount forget for each of them afterwards."
        )
