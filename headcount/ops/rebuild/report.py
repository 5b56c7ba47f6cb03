"""The report of a rebuild: the differences between the counters, and what a switch would lose."""

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
    """The new counters compared with the live ones.

    `differences` describe the live counters: `missing` or `incomplete` is what they lack, a surplus is what
    the log does not hold. `lost_days` are days whose numbers fall because the log no longer reaches back;
    `losses` describes all losses in sentences. `forgotten` is the number of people who are not counted.
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
    """The terms by which the findings of a rebuild are judged.

    `lost_until` is the last day of which the log may have lost events, None if it lost none.
    `unknown_forgotten` is whether forgotten people are recorded under a key that is lost. `now`, which is
    aware, decides which counters are expired; None if none are.
    """

    calendar: Calendar
    changes: Sequence[Change]
    lost_until: date | None
    unknown_forgotten: bool
    forgotten: int = 0
    now: datetime | None = None

    @property
    def is_same_meaning(self) -> bool:
        """Whether the new counters hold the same people as the live ones, as far as the log does."""
        return all(change.field in RETENTION for change in self.changes)


def make_report(findings: Collection[Finding], records: int, terms: Terms) -> Report:
    """Summarize the findings, before the switch."""
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
    """Return the day of a counter, or the day of its bucket."""
    return counter.period if isinstance(counter.period, date) else calendar.day_of(counter.period)


def refuse_loss(report: Report) -> None:
    """Raise `OperatorError` if the switch would lose counts."""
    if report.losses:
        options = "".join(f" --change {change.setting}" for change in changes_of_settings(report.changes))
        raise OperatorError(
            f"{' '.join(report.losses)} Nothing was replaced. To replace the counters anyway, run "
            f"headcount rebuild --yes{options}, which continues from here. To discard the new counters, run "
            "headcount rebuild --dry-run"
        )


def accept_loss(_report: Report) -> None:
    """Accept any loss."""


def accept_changes(_changes: Sequence[Change]) -> None:
    """Accept any changes, for a rebuild that replaces nothing."""


def accept_only(settings: Collection[str]) -> Callable[[Sequence[Change]], None]:
    """Return a check that raises `OtherDeploymentError` if any other setting would change."""

    def consent(changes: Sequence[Change]) -> None:
        if unwanted := [change for change in changes_of_settings(changes) if change.setting not in settings]:
            raise OtherDeploymentError(unwanted)

    return consent


def changes_of_settings(changes: Sequence[Change]) -> list[Change]:
    """Return the changes that come from settings; the list of forgotten people comes from commands."""
    return [change for change in changes if change.setting is not None]


def _lost(findings: Iterable[Finding], terms: Terms) -> list[Finding]:
    """Return the findings whose people may be missing from the log.

    If the settings changed who is counted, a counter rightly differs: it is lost only if the log lost
    events. A counter that expires under a shorter retention is not lost, since the retention is a setting.
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
        yield f"The log no longer holds all users counted on {shown}{more}: these numbers would fall."
    if terms.unknown_forgotten:
        yield (
            "Forgotten people are recorded under the former key and would be counted again: run headcount "
            "forget for each of them afterwards."
        )
