"""What an audit reads and what it reports, without servers."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headcount.ops.audit.report import Damage, Findings, Surplus
from headcount.ops.log_scope import counted_spans, skipped
from ingest.batch import Offset, Partition
from ingest.ports import Extent, GapCause
from projector import keys
from projector.calendar import Calendar
from projector.gaps import GapReport
from projector.rebuild.finding import Finding
from projector.rebuild.repair import REPAIRED

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
TODAY = NOW.date()
PARTITION = Partition("user-activity", 0)
CALENDAR = Calendar(time_zone=ZoneInfo("Asia/Tokyo"), retention_days=400, bucket_retention_days=45)
offsets = st.integers(0, 60).map(Offset)


def gap(
    cause: GapCause, checkpoint: int, beginning: int, *, minute: int = 0, partition: int = 0
) -> GapReport:
    return GapReport(
        partition=partition,
        cause=cause,
        checkpoint=checkpoint,
        beginning=beginning,
        end=99,
        found_at=NOW + timedelta(minutes=minute),
        first_day=TODAY,
        last_day=TODAY,
    )


def extent(beginning: int, end: int) -> Extent:
    return Extent(Offset(beginning), Offset(end))


def test_what_was_skipped_is_told_by_the_gaps_of_the_partition() -> None:
    gaps = [gap("skipped", 5, 8), gap("skipped", 1, 2, partition=1), gap("skipped", 20, 21, minute=1)]
    assert skipped(PARTITION, gaps) == [extent(5, 8), extent(20, 21)]


@pytest.mark.parametrize("cause", ["retention", "truncated", "recreated"])
def test_a_gap_that_put_the_checkpoint_back_had_all_counted_again(cause: GapCause) -> None:
    """In the order in which they were found: acknowledged gaps may come before or after the others."""
    gaps = [gap("skipped", 9, 10, minute=3), gap("skipped", 5, 8), gap(cause, 12, 3, minute=2)]
    assert skipped(PARTITION, gaps) == [extent(9, 10)]


@given(
    offsets,
    offsets,
    offsets,
    st.lists(st.tuples(offsets, offsets).map(sorted).map(lambda ends: extent(*ends))),
)
def test_just_what_was_counted_is_read(
    beginning: Offset, end: Offset, checkpoint: Offset, holes: list[Extent]
) -> None:
    spans = counted_spans(Extent(beginning, end), checkpoint, holes)
    read = [offset for span in spans for offset in range(span.beginning, span.end)]
    left_out = {offset for hole in holes for offset in range(hole.beginning, hole.end)}
    assert read == [offset for offset in range(beginning, min(end, checkpoint)) if offset not in left_out]
    assert all(span.beginning < span.end for span in spans)


def test_a_counter_is_reported_once_and_as_it_was_found_first() -> None:
    findings = Findings(CALENDAR, repaired=REPAIRED)
    of_day, of_bucket = keys.Counter("b", TODAY), keys.Counter("a", 4)
    for finding in (
        Finding(of_day, "missing"),
        Finding(of_bucket, "not-a-counter"),
        Finding(of_day, "incomplete"),
    ):
        findings.note(finding)
    report = findings.report(17)
    assert report.damaged == [
        Damage(
            workspace_id="a",
            day=None,
            bucket=datetime(1970, 1, 1, 1, tzinfo=UTC),
            state="not-a-counter",
            repaired=False,
        ),
        Damage(workspace_id="b", day=TODAY, bucket=None, state="missing", repaired=True),
    ]
    assert (report.whole, report.records, report.surplus) == (False, 17, None)


def test_what_was_only_found_is_not_repaired() -> None:
    findings = Findings(CALENDAR)
    findings.note(Finding(keys.Counter("a", TODAY), "missing"))
    assert not findings.report(1).whole


def test_a_surplus_is_no_damage_and_is_told_by_its_days() -> None:
    findings = Findings(CALENDAR)
    last_of_2025_in_utc = 4 * 24 * (date(2026, 1, 1) - date(1970, 1, 1)).days - 1
    for period in (TODAY, date(2026, 1, 3), last_of_2025_in_utc):
        findings.note(Finding(keys.Counter("a", period), "surplus"))
    report = findings.report(1)
    assert report.whole
    assert report.surplus == Surplus(counters=3, first_day=date(2026, 1, 1), last_day=TODAY)


@given(st.dates() | st.integers(-(10**6), 10**7), st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True))
def test_a_counter_is_known_by_its_key_in_its_own_keyspace(period: date | int, workspace_id: str) -> None:
    counter, shadow = keys.Counter(workspace_id, period), keys.ONLY.shadow("x")
    for keyspace in (keys.FIRST, shadow):
        assert keyspace.counter(keyspace.key(counter)) == counter
    assert keys.FIRST.counter(shadow.key(counter)) is shadow.counter(keys.FIRST.key(counter)) is None


@pytest.mark.parametrize(
    "key",
    [
        keys.FIRST.checkpoints,
        keys.ONLY.tokens,
        f"{keys.FIRST.day('a', TODAY)}:x",
        keys.FIRST.bucket("a", 1) + "x",
        "",
        "a:b",
    ],
)
def test_no_other_key_is_taken_for_a_counter(key: str) -> None:
    assert keys.FIRST.counter(key) is None
