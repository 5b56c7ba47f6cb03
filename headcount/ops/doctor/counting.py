"""Checks of the projection: workers, lag, gaps, expired events and dead letters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from api.health import FRESH_FOR
from headcount.ops.doctor.finding import Judgement, ok, problem, warning
from ingest.batch import Partition
from ingest.ports import Extent
from projector.checkpoints import Progress
from projector.expiry import Expired, ExpiryCause, harmful
from projector.gaps import GapReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Letters:
    """How many dead letters there are, None where there were too many to be read, and how many not redriven.

    `records` are those in their topic: never fewer than the letters.
    """

    records: int
    waiting: int | None


STANDING_AFTER: Final = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counting:
    """The log and its projection, read one shortly after the other."""

    extents: Mapping[Partition, Extent]
    progress: Progress
    workers: int
    now: datetime

    @property
    def lag(self) -> int:
        """The number of records that are not counted yet, or a few more."""
        reached = self.progress.checkpoints
        return sum(
            max(0, extent.end - reached.get(partition, extent.beginning))
            for partition, extent in self.extents.items()
        )

    def ages(self) -> Mapping[Partition, timedelta]:
        """Return how old each partition's as-of is; one that is catching up has none."""
        instants = self.progress.as_of
        return {each: self.now - instants[each] for each in self.extents if each in instants}


def check_workers(facts: tuple[int, int]) -> Judgement:
    """Hold the number of partitions against that of the workers, who share them."""
    partitions, workers = facts
    found = f"{workers} workers share {partitions} partitions"
    if not workers:
        return problem("No worker is running: nothing is counted.", "Start headcount worker.")
    if workers > partitions:
        return warning(
            f"{found}: {workers - partitions} of them have nothing to do but wait for another to fail.",
            "Add partitions to the topic, or run fewer workers.",
        )
    return ok(f"{found}.")


def check_lag(counting: Counting) -> Judgement:
    """Tell whether the API answers, and for which instant."""
    ages = counting.ages()
    behind = f"{counting.lag:,} records are not counted yet"
    if len(ages) < len(counting.extents):
        return warning(
            f"{len(counting.extents) - len(ages)} of {len(counting.extents)} partitions are catching up "
            "with the log, "
            f"{behind}: the API answers 503.",
            "Wait while that number falls (headcount status shows it); if it does not, read the workers' "
            "log.",
        )
    oldest = max(ages.values())
    if oldest > FRESH_FOR:
        return warning(
            f"The counters are {oldest.total_seconds():,.0f} s old, {behind}.",
            "See that a worker runs; if one does, its log says what it waits for; start more if they are "
            "busy.",
        )
    return ok(f"The counters are {max(0.0, oldest.total_seconds()):.1f} s old, {behind}.")


def check_stopped(counting: Counting) -> Judgement:
    """Find partitions that stand still while others go on: a worker that is away stops all of its own."""
    ages = counting.ages()
    goes_on = any(age <= FRESH_FOR for age in ages.values())
    standing = sorted(each.number for each, age in ages.items() if age > STANDING_AFTER)
    if counting.workers and goes_on and standing:
        return problem(
            f"Partitions {', '.join(map(str, standing))} stand still while others go on.",
            "Find \"partition stopped\" in the workers' log: it says why; headcount skip passes what can't "
            "be read.",
        )
    return ok("No partition stands still while others go on.")


def check_gaps(gaps: Sequence[GapReport]) -> Judgement:
    """Tell of records that were never counted, as long as nobody has acknowledged that."""
    if not gaps:
        return ok("There are no gaps to acknowledge.")
    firsts = [gap.first_day for gap in gaps if gap.first_day]
    places = f"{len(gaps)} place{'' if len(gaps) == 1 else 's'}"
    since = f" since {min(firsts)}" if len(firsts) == len(gaps) else ""
    return problem(
        f"Records were never counted, in {places} of the log: days{since} until "
        f"{max(gap.last_day for gap in gaps)} may be too low.",
        "See headcount gaps list; publish what is missing again if you have it; then headcount gaps "
        "acknowledge.",
    )


_EXPIRY_ADVICE: Final[Mapping[ExpiryCause, str]] = {
    "older-than-retention": (
        "Have producers publish events sooner than RETENTION_DAYS after they occur, or raise RETENTION_DAYS."
    ),
    "seconds-for-milliseconds": (
        "A producer takes seconds for milliseconds: multiply by 1,000 before it makes occurred_at of them."
    ),
    "epoch-zero": (
        "A producer writes an unset date, or uses a wrong unit: have it set occurred_at before it publishes."
    ),
}


def check_expired(facts: tuple[Progress, datetime]) -> Judgement:
    """Report events that were too old to be counted, as long as they keep coming."""
    progress, now = facts
    expired = progress.expired
    causes = harmful(expired, now)
    if not causes:
        return ok(f"No events were too old to be counted in the last 24 hours{_before(expired)}.")
    found = ", ".join(f"{cause} {expired[cause].events:,}" for cause in causes)
    return warning(
        f"Events are older than the retention, and so in no counter: {found}, the last read at "
        f"{max(expired[cause].last_at for cause in causes):%Y-%m-%dT%H:%M:%SZ}.",
        " ".join(_EXPIRY_ADVICE[cause] for cause in causes),
    )


def _before(expired: Mapping[ExpiryCause, Expired]) -> str:
    number = sum(found.events for found in expired.values())
    return f"; {number:,} were before, or aged in the log" if number else ""


def check_dead_letters(letters: Letters) -> Judgement:
    """Tell of records that were no events, as long as they were not published again."""
    if letters.waiting is None:
        return warning(
            f"There are up to {letters.records:,} dead letters, too many to be read here.",
            "See headcount dead-letters list; mend their producers first.",
        )
    if letters.waiting:
        return warning(
            f"{letters.waiting:,} dead letters wait: their events are in no counter.",
            "See headcount dead-letters list; once what refused them is mended, headcount dead-letters "
            "redrive.",
        )
    return ok("No dead letters wait.")
