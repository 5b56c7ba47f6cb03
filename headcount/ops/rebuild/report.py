"""What a rebuild reports: what differs, and what would be lost by it."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from headcount.ops.audit.report import Findings
from headcount.ops.audit.report import Report as Differences
from ingest.errors import OperatorError
from projector.calendar import Calendar
from projector.counter_config import Change
from projector.keys import Counter
from projector.rebuild.finding import Finding

SHOWN_DAYS: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the new counters are beside those that were live before.

    `differences` are told as seen from the latter: `missing` or `incomplete` is what they lacked, a surplus
    what the log does not hold. `lost_days` are those whose numbers fall because the log no longer reaches
    back; `losses` say all that is lost in sentences.
    """

    replaced: bool
    records: int
    changes: Sequence[Change]
    differences: Differences
    lost_days: Sequence[date]
    losses: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a rebuild's findings are judged by.

    `lost_until` is the last day of which the log may have lost events, None where it lost none.
    `unknown_forgotten` tells that people who are to be forgotten are recorded under a key that is gone.
    """

    calendar: Calendar
    changes: Sequence[Change]
    lost_until: date | None
    unknown_forgotten: bool


def make_report(findings: Collection[Finding], records: int, terms: Terms) -> Report:
    """Sum up what was found, of counters that were not replaced yet."""
    collected = Findings(terms.calendar)
    for finding in findings:
        collected.note(finding)
    lost_days = sorted({day_of(finding.counter, terms.calendar) for finding in _lost(findings, terms)})
    return Report(
        replaced=False,
        records=records,
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
        raise OperatorError(
            f"{' '.join(report.losses)} Nothing was replaced. To replace the counters all the same: "
            "headcount rebuild --yes, which goes on from here. To discard what was counted: "
            "headcount rebuild --dry-run"
        )


def accept_loss(_report: Report) -> None:
    """Take whatever comes."""


def _lost(findings: Iterable[Finding], terms: Terms) -> list[Finding]:
    """Return those whose people may be gone from the log.

    Under another meaning a counter rightly holds other people: there it takes a log that has lost some.
    """
    return [
        finding
        for finding in findings
        if (finding.state == "surplus" and not terms.changes)
        or (
            finding.state in {"surplus", "incomplete"}
            and terms.lost_until is not None
            and day_of(finding.counter, terms.calendar) <= terms.lost_until
        )
    ]


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
