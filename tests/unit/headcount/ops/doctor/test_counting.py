"""The doctor on the counting: workers, lag, stopped partitions, gaps, dead letters, tokens."""

from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest

from api.auth.tokens import Token
from headcount.ops.doctor.counting import (
    Letters,
    check_dead_letters,
    check_expired,
    check_gaps,
    check_lag,
    check_rollback,
    check_stopped,
    check_workers,
)
from headcount.ops.doctor.deployment import check_tokens
from headcount.ops.doctor.finding import Verdict
from projector.checkpoints import Progress
from projector.gaps import GapReport
from tests.support.doctor_facts import NOW, counting, progress
from tests.support.fakes_api import make_token


@pytest.mark.parametrize(
    ("partitions", "workers", "verdict"),
    [(4, 0, "problem"), (4, 1, "ok"), (4, 4, "ok"), (4, 5, "warning")],
)
def test_workers_are_compared_with_partitions(partitions: int, workers: int, verdict: Verdict) -> None:
    assert check_workers((partitions, workers)).verdict == verdict


@pytest.mark.parametrize(
    ("ages", "verdict"),
    [
        ((1.0, 2.0), "ok"),
        ((1.0, 10.0), "ok"),
        ((1.0, 11.0), "warning"),
        ((1.0, None), "warning"),
        ((-3.0,), "ok"),
    ],
)
def test_old_counters_and_catching_up_are_reported(ages: tuple[float | None, ...], verdict: Verdict) -> None:
    assert check_lag(counting(*ages)).verdict == verdict


def test_the_lag_is_that_of_all_partitions() -> None:
    assert "10 records are not counted yet" in check_lag(counting(1, 1, end=15)).found
    nothing_counted = Progress(generation=0, topic_id=None, checkpoints={}, as_of={}, gaps=[])
    new = replace(counting(None, end=7), progress=nothing_counted)
    assert "7 records are not counted yet: the API answers 503" in check_lag(new).found


@pytest.mark.parametrize(
    ("ages", "workers", "verdict"),
    [
        ((1.0, 61.0), 1, "problem"),
        ((1.0, 60.0), 1, "ok"),
        ((61.0, 61.0), 1, "ok"),  # none advances: the partition is behind, not stopped
        ((1.0, 61.0), 0, "ok"),
        ((1.0, None), 1, "ok"),
    ],
)
def test_a_partition_that_is_stopped_while_others_advance_is_a_problem(
    ages: tuple[float | None, ...], workers: int, verdict: Verdict
) -> None:
    found = check_stopped(counting(*ages, workers=workers))
    assert found.verdict == verdict
    assert ("Partitions 1 are stopped" in found.found) == (verdict == "problem")


def gap(first_day: date | None) -> GapReport:
    return GapReport(
        partition=0,
        cause="retention",
        checkpoint=2,
        beginning=4,
        end=5,
        found_at=NOW,
        first_day=first_day,
        last_day=NOW.date(),
    )


def test_gaps_are_a_problem_until_acknowledged() -> None:
    assert check_gaps([]).verdict == "ok"
    found = check_gaps([gap(date(2026, 11, 20)), gap(date(2026, 11, 18))])
    assert found.verdict == "problem"
    assert "in 2 places of the log were never counted: days since 2026-11-18 until 2026-11-22" in found.found


def test_a_gap_without_a_beginning_may_touch_any_day() -> None:
    assert "days until 2026-11-22" in check_gaps([gap(None), gap(date(2026, 11, 18))]).found


@pytest.mark.parametrize(
    ("letters", "verdict"),
    [
        (Letters(records=0, waiting=0), "ok"),
        (Letters(records=9, waiting=0), "ok"),
        (Letters(records=9, waiting=1), "warning"),
        (Letters(records=20_001, waiting=None), "warning"),
    ],
)
def test_waiting_dead_letters_are_a_warning(letters: Letters, verdict: Verdict) -> None:
    assert check_dead_letters(letters).verdict == verdict


def token(expires_in_days: float | None = None, revoked_at: datetime | None = None) -> Token:
    expires_at = None if expires_in_days is None else NOW + timedelta(days=expires_in_days)
    return replace(make_token(expires_at=expires_at)[0], revoked_at=revoked_at)


@pytest.mark.parametrize(
    ("tokens", "verdict"),
    [
        ([], "problem"),
        ([token(-1), token(revoked_at=NOW)], "problem"),
        ([token()], "ok"),
        ([token(), token(7.1)], "ok"),
        ([token(), token(7)], "warning"),
        ([token(), token(0)], "warning"),
        ([token(), token(-6.9)], "warning"),
        ([token(), token(-7)], "ok"),
        ([token(), token(3, revoked_at=NOW)], "ok"),
        ([token(), token(-3, revoked_at=NOW)], "ok"),
    ],
)
def test_tokens_must_exist_and_stay_valid(tokens: list[Token], verdict: Verdict) -> None:
    assert check_tokens((tokens, NOW)).verdict == verdict


def test_tokens_are_named_by_their_public_ids() -> None:
    soon, late = token(1), token(-1)
    found = check_tokens(([soon, late, token()], NOW)).found
    assert f"{soon.id} will expire, {late.id} have expired" in found
    assert soon.digest not in found


def test_expired_events_are_a_warning_while_they_keep_coming() -> None:
    def found(cause: str, age: timedelta) -> tuple[str, str]:
        last_at = str(int((NOW - age).timestamp() * 1000))
        recorded = {f"expired:{cause}": "1500", f"expired_at:{cause}": last_at}
        judgement = check_expired((replace(progress(1), deployment=recorded), NOW))
        return judgement.verdict, judgement.found

    assert check_expired((progress(1), NOW)).verdict == "ok"
    assert found("epoch-zero", timedelta(hours=23)) == (
        "warning",
        (
            "Events are older than the retention and in no counter: epoch-zero 1,500, the last read at "
            "2026-11-21T13:00:00Z."
        ),
    )
    none = "No event of the last 24 hours was too old to be counted"
    past = f"{none}; 1,500 were earlier, or expired in the log."
    assert found("epoch-zero", timedelta(hours=25)) == ("ok", past)
    assert found("aged-in-log", timedelta(0)) == ("ok", past)


def test_a_rollback_is_a_warning_for_a_week_with_its_instant() -> None:
    def judged(age: timedelta) -> tuple[str, str]:
        recorded = {"rolled_back_at": str(int((NOW - age).timestamp() * 1000))}
        judgement = check_rollback((replace(progress(1), deployment=recorded), NOW))
        return judgement.verdict, judgement.found

    assert check_rollback((progress(1), NOW)).verdict == "ok"
    verdict, found = judged(timedelta(hours=23))
    assert verdict == "warning"
    assert found.startswith("Redis was last found to have lost writes at 2026-11-21T13:00:00Z. ")
    assert judged(timedelta(days=8)) == (
        "ok",
        "Redis was last found to have lost writes at 2026-11-14T12:00:00Z.",
    )
