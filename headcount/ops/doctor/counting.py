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
    """The number of dead letters that are not redriven, `waiting`; None if there are too many to read.

    `records` is the number of records in the dead-letter topic, which is at least that of the letters.
    """

    records: int
    waiting: int | None


STOPPED_AFTER: Final = timedelta(seconds=60)
ROLLBACK_REPORTED_FOR: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counting:
    """The log and its projection, read shortly after each other."""

    extents: Mapping[Partition, Extent]
    progress: Progress
    workers: int
    now: datetime

    @property
    def lag(self) -> int:
        """The number of offsets that are not counted yet."""
        reached = self.progress.checkpoints
        return sum(
            max(0, extent.end - reached.get(partition, extent.beginning))
            for partition, extent in self.extents.items()
        )

    def ages(self) -> Mapping[Partition, timedelta]:
        """Return the age of each partition's as-of; a partition that is catching up has none."""
        instants = self.progress.as_of
        return {each: self.now - instants[each] for each in self.extents if each in instants}


def check_workers(facts: tuple[int, int]) -> Judgement:
    """Compare the number of workers with that of the partitions, which they share."""
    partitions, workers = facts
    found = f"{workers} workers share {partitions} partitions"
    if not workers:
        return problem("No worker is running: no event is counted.", "Start headcount worker.")
    if workers > partitions:
        return warning(
            f"{found}: {workers - partitions} of them are idle standbys.",
            "Add partitions to the topic, or run fewer workers.",
        )
    return ok(f"{found}.")


def check_lag(counting: Counting) -> Judgement:
    """Check that the API can answer, and how old its answers are."""
    ages = counting.ages()
    behind = f"{counting.lag:,} records are not counted yet"
    if len(ages) < len(counting.extents):
        return warning(
            f"{len(counting.extents) - len(ages)} of {len(counting.extents)} partitions are catching up "
            f"with the log, {behind}: the API answers 503.",
            "Wait while that number falls (see headcount status). If it does not, read the workers' log.",
        )
    oldest = max(ages.values())
    if oldest > FRESH_FOR:
        return warning(
            f"The counters are {oldest.total_seconds():,.0f} s old, {behind}.",
            "Check that a worker is running. If it is, its log names what it waits for; if the workers are "
            "busy, start more.",
        )
    return ok(f"The counters are {max(0.0, oldest.total_seconds()):.1f} s old, {behind}.")


def check_stopped(counting: Counting) -> Judgement:
    """Check for partitions that are stopped while others advance."""
    ages = counting.ages()
    is_advancing = any(age <= FRESH_FOR for age in ages.values())
    stopped = sorted(each.number for each, age in ages.items() if age > STOPPED_AFTER)
    if counting.workers and is_advancing and stopped:
        return problem(
            f"Partitions {', '.join(map(str, stopped))} are stopped while others advance.",
            'Find "partition stopped" in the workers\' log, which names the cause. headcount skip passes '
            "records that can't be read.",
        )
    return ok("No partition is stopped while others advance.")


def check_gaps(gaps: Sequence[GapReport]) -> Judgement:
    """Check for gaps that no operator has acknowledged."""
    if not gaps:
        return ok("There are no unacknowledged gaps.")
    firsts = [gap.first_day for gap in gaps if gap.first_day]
    places = f"{len(gaps)} place{'' if len(gaps) == 1 else 's'}"
    since = f" since {min(firsts)}" if len(firsts) == len(gaps) else ""
    return problem(
        f"Records in {places} of the log were never counted: days{since} until "
        f"{max(gap.last_day for gap in gaps)} may be too low.",
        "See headcount gaps list. Publish the missing events again if you have them, then run headcount "
        "gaps acknowledge.",
    )


def check_rollback(facts: tuple[Progress, datetime]) -> Judgement:
    """Check whether Redis lost writes within the last week."""
    progress, now = facts
    at = progress.rolled_back_at
    if at is None:
        return ok("Redis was never found to have lost writes.")
    found = f"Redis was last found to have lost writes at {at:%Y-%m-%dT%H:%M:%SZ}"
    if now - at > ROLLBACK_REPORTED_FOR:
        return ok(f"{found}.")
    return warning(
        f"{found}. Workers count again from the log what it lacked; tokens are in no log: one that was "
        "created shortly before may be missing, and one that was revoked may be valid again.",
        "Review headcount tokens list. Find out why Redis lost writes: a restart without appendonly yes, a "
        "failover to a replica that was behind, or a restored backup.",
    )


_EXPIRY_ADVICE: Final[Mapping[ExpiryCause, str]] = {
    "older-than-retention": (
        "Have producers publish events sooner than RETENTION_DAYS after they occur, or raise RETENTION_DAYS."
    ),
    "seconds-for-milliseconds": (
        "A producer uses seconds as milliseconds: multiply by 1,000 before deriving occurred_at."
    ),
    "epoch-zero": ("A producer writes an unset date or uses a wrong unit: have it set occurred_at."),
}


def check_expired(facts: tuple[Progress, datetime]) -> Judgement:
    """Check for events of the last 24 hours that were too old to be counted."""
    progress, now = facts
    expired = progress.expired
    causes = harmful(expired, now)
    if not causes:
        return ok(f"No event of the last 24 hours was too old to be counted{_before(expired)}.")
    found = ", ".join(f"{cause} {expired[cause].events:,}" for cause in causes)
    return warning(
        f"Events are older than the retention and in no counter: {found}, the last read at "
        f"{max(expired[cause].last_at for cause in causes):%Y-%m-%dT%H:%M:%SZ}.",
        " ".join(_EXPIRY_ADVICE[cause] for cause in causes),
    )


def _before(expired: Mapping[ExpiryCause, Expired]) -> str:
    number = sum(found.events for found in expired.values())
    return f"; {number:,} were earlier, or expired in the log" if number else ""


def check_dead_letters(letters: Letters) -> Judgement:
    """Check for dead letters that were not redriven."""
    if letters.waiting is None:
        return warning(
            f"There are up to {letters.records:,} dead letters, too many to read here.",
            "See headcount dead-letters list, and fix their producers first.",
        )
    if letters.waiting:
        return warning(
            f"{letters.waiting:,} dead letters wait: their events are in no counter.",
            "See headcount dead-letters list. Once the cause is fixed, run headcount dead-letters redrive.",
        )
    return ok("No dead letters wait.")
