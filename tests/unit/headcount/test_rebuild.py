"""What a rebuild reads, and what it judges to be lost, without servers."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headcount.ops.rebuild.counting import step_over
from headcount.ops.rebuild.report import (
    Report,
    Terms,
    accept_loss,
    accept_only,
    make_report,
    refuse_loss,
)
from ingest.batch import Offset
from ingest.errors import OperatorError
from ingest.ports import Extent
from projector import keys
from projector.calendar import Calendar, bucket_of
from projector.counter_config import CounterConfig
from projector.deployment import Change, Deployment
from projector.rebuild.finding import Finding, State

TODAY = date(2026, 3, 4)
CALENDAR = Calendar(time_zone=ZoneInfo("UTC"), retention_days=400, bucket_retention_days=45)
DEPLOYMENT = Deployment(topic="activity", time_zone="UTC", user_id_hash_key="one")
MEANING = CounterConfig(deployment=DEPLOYMENT, calendar=CALENDAR, revision=0)
NEW_ZONE = Change("time_zone", "UTC", "Asia/Tokyo")
offsets = st.integers(0, 60).map(Offset)


@given(
    offsets,
    offsets,
    offsets,
    st.lists(st.tuples(offsets, offsets).map(sorted).map(lambda ends: Extent(*ends))),
)
def test_just_what_is_missing_is_read(
    reached: Offset, live: Offset, beginning: Offset, holes: list[Extent]
) -> None:
    """And the checkpoint steps over all of it, also over what was skipped or is gone from the log."""
    found = step_over(Extent(reached, live), beginning, holes)
    left_out = {offset for hole in holes for offset in range(hole.beginning, hole.end)}
    read = [offset for span in found.spans for offset in range(span.beginning, span.end)]
    assert read == [offset for offset in range(max(reached, beginning), live) if offset not in left_out]
    assert (found.start, found.end, found.size) == (reached, live, len(read))


def report_of(
    *findings: Finding,
    changes: tuple[Change, ...] = (),
    lost_until: date | None = None,
    unknown: bool = False,
    now: datetime | None = None,
) -> Report:
    terms = Terms(
        calendar=CALENDAR, changes=changes, lost_until=lost_until, unknown_forgotten=unknown, now=now
    )
    return make_report(findings, 7, terms)


def finding(state: State, *, days_ago: int = 0) -> Finding:
    return Finding(keys.Counter("acme", TODAY - timedelta(days=days_ago)), state)


def test_with_the_same_meaning_whoever_is_not_in_the_log_would_be_lost() -> None:
    report = report_of(finding("surplus", days_ago=2), finding("surplus", days_ago=1), finding("incomplete"))
    assert report.lost_days == [date(2026, 3, 2), date(2026, 3, 3)]
    with pytest.raises(OperatorError, match="counted on 2026-03-02, 2026-03-03: these numbers would fall"):
        refuse_loss(report)
    accept_loss(report)


def test_with_another_meaning_only_a_log_that_lost_something_loses_counts() -> None:
    findings = finding("surplus", days_ago=2), finding("incomplete", days_ago=1), finding("surplus")
    assert report_of(*findings, changes=(NEW_ZONE,)).losses == []
    report = report_of(*findings, changes=(NEW_ZONE,), lost_until=TODAY - timedelta(days=1))
    assert report.lost_days == [date(2026, 3, 2), date(2026, 3, 3)]
    with pytest.raises(OperatorError, match="headcount rebuild --yes --change TIME_ZONE, which continues"):
        refuse_loss(report)


def test_what_a_shorter_retention_ends_is_not_lost() -> None:
    """Day counters for 400 days, buckets for 45: a newer one that is not in the log is lost all the same."""
    now = datetime.combine(TODAY, time.min, tzinfo=UTC)
    bucket = bucket_of(now - timedelta(days=46))
    old = [finding("surplus", days_ago=401), Finding(keys.Counter("acme", bucket), "surplus")]
    shorter = Change("retention_days", "800", "400")
    assert report_of(*old, changes=(shorter,), now=now).losses == []
    newer = report_of(*old, finding("surplus", days_ago=400), changes=(shorter,), now=now)
    assert newer.lost_days == [TODAY - timedelta(days=400)]


def test_a_setting_changes_only_where_it_is_named() -> None:
    changes = [NEW_ZONE, Change("ignored_user_types", "bot", ""), Change("without", "0", "3")]
    accept_only({"TIME_ZONE", "IGNORED_USER_TYPES"})(changes)
    accept_only(())([Change("without", "0", "3")])
    with pytest.raises(OperatorError) as refused:
        accept_only({"TIME_ZONE"})(changes)
    assert str(refused.value) == (
        "Redis holds counters for IGNORED_USER_TYPES='bot', but this process is configured with "
        "IGNORED_USER_TYPES=''. Set the recorded value, or change it for all workers and APIs: "
        "headcount rebuild --change IGNORED_USER_TYPES."
    )
    with pytest.raises(OperatorError) as both:
        accept_only(())(changes)
    assert str(both.value).endswith(
        "configured with TIME_ZONE='Asia/Tokyo', IGNORED_USER_TYPES=''. Set the recorded values, or change "
        "them for all workers and APIs: headcount rebuild --change TIME_ZONE --change IGNORED_USER_TYPES."
    )


def test_what_live_counters_lacked_is_no_loss() -> None:
    report = report_of(
        finding("missing"), finding("not-a-counter", days_ago=2), finding("incomplete", days_ago=1)
    )
    refuse_loss(report)
    assert len(report.differences.damaged) == 3


def test_a_bucket_is_lost_with_its_day() -> None:
    last_of_1970 = Finding(keys.Counter("acme", 365 * 96 - 1), "surplus")
    assert report_of(last_of_1970).lost_days == [date(1970, 12, 31)]


def test_many_lost_days_are_told_in_short() -> None:
    report = report_of(*(finding("surplus", days_ago=ago) for ago in range(30)))
    assert "2026-02-12 and 20 more: these numbers would fall" in report.losses[0]


def test_people_who_are_forgotten_under_a_lost_key_are_not_counted_again_unasked() -> None:
    with pytest.raises(OperatorError, match="run headcount forget for each of them afterwards"):
        refuse_loss(report_of(unknown=True))


@pytest.mark.parametrize(
    ("recorded", "changes"),
    [
        (DEPLOYMENT.fields(), []),
        ({**DEPLOYMENT.fields(), "time_zone": "Asia/Tokyo"}, [Change("time_zone", "Asia/Tokyo", "UTC")]),
        ({**DEPLOYMENT.fields(), "without": "3"}, [Change("without", "3", "0")]),
        ({**DEPLOYMENT.fields(), "retention_days": "30"}, [Change("retention_days", "30", "400")]),
        ({"topic": "activity", "time_zone": "UTC"}, [Change("user_id_hash_key", None, "one")]),
        (
            {**DEPLOYMENT.fields(), "ignored_user_types": "bot"},
            [Change("ignored_user_types", "bot", "")],
        ),
    ],
)
def test_what_changes_is_told_beside_what_is_recorded(
    recorded: dict[str, str], changes: list[Change]
) -> None:
    assert MEANING.changes_of(recorded) == changes


def test_a_count_of_anything_else_is_not_gone_on_with() -> None:
    others = [
        MEANING.of_generation(2, "id"),
        MEANING.of_generation(1, "another"),
        CounterConfig(deployment=DEPLOYMENT, calendar=CALENDAR, revision=1).of_generation(1, "id"),
        CounterConfig(
            deployment=DEPLOYMENT,
            calendar=Calendar(time_zone=ZoneInfo("UTC"), retention_days=0, bucket_retention_days=45),
            revision=0,
        ).of_generation(1, "id"),
    ]
    assert MEANING.of_generation(1, "id") not in others
