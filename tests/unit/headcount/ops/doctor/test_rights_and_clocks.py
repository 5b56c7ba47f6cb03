"""The doctor on rights in Redis, and on clocks."""

from datetime import timedelta

import pytest

from headcount.ops.doctor.clocks import Clock, check_kafka_clock, check_redis_clock, check_worker_clocks
from headcount.ops.doctor.finding import Verdict
from headcount.ops.doctor.rights import Rights, check_other_rights, check_own_rights
from tests.support.doctor_facts import NOW

LACKING = Rights(user="worker", part="worker", refused=[("HSET", "checkpoints", "f", "v"), ("INFO",)])


def test_a_user_with_the_rights_of_its_part_is_well() -> None:
    assert check_own_rights(Rights(user="operator", part="operator")).verdict == "ok"


def test_a_user_that_may_do_everything_is_a_warning() -> None:
    found = check_own_rights(Rights(user="default", part="operator", unlimited=True))
    assert (found.verdict, "default" in found.found) == ("warning", True)


def test_what_a_user_may_not_do_is_named_without_values() -> None:
    found = check_own_rights(LACKING)
    assert found.verdict == "problem"
    assert found.found.endswith("lacks rights that the worker needs: HSET checkpoints, INFO.")


def test_the_other_users_are_judged_together() -> None:
    whole = Rights(user="api", part="api")
    assert check_other_rights([whole]).verdict == "ok"
    found = check_other_rights([whole, LACKING])
    assert (found.verdict, "worker" in found.found) == ("problem", True)
    assert check_other_rights([]).verdict == "unknown"


@pytest.mark.parametrize(
    ("ahead", "uncertainty", "verdict"),
    [
        (0.0, 0.0, "ok"),
        (1.0, 0.0, "ok"),
        (-1.1, 0.0, "warning"),
        (1.4, 0.5, "ok"),  # the way there and back may explain it
        (60.0, 0.0, "warning"),
        (-60.1, 0.0, "problem"),
    ],
)
def test_redis_clock_may_differ_by_a_second(ahead: float, uncertainty: float, verdict: Verdict) -> None:
    assert check_redis_clock(Clock(ahead, uncertainty)).verdict == verdict


@pytest.mark.parametrize(
    ("age", "verdict"),
    [(0, "ok"), (-1, "ok"), (-2, "warning"), (-61, "problem"), (60, "ok"), (61, "unknown")],
)
def test_the_newest_timestamp_shows_kafkas_clock(age: float, verdict: Verdict) -> None:
    newest = NOW - timedelta(seconds=age)
    assert check_kafka_clock((("LogAppendTime", newest), NOW)).verdict == verdict


def test_without_a_stamp_of_its_own_kafkas_clock_is_unknown() -> None:
    assert check_kafka_clock((("LogAppendTime", None), NOW)).verdict == "unknown"
    assert check_kafka_clock((("CreateTime", NOW), NOW)).verdict == "unknown"


@pytest.mark.parametrize(("age", "verdict"), [(9_999, "ok"), (-1, "ok"), (-2, "warning"), (-61, "problem")])
def test_an_as_of_of_the_future_shows_a_workers_clock(age: float, verdict: Verdict) -> None:
    assert check_worker_clocks((NOW - timedelta(seconds=age), NOW)).verdict == verdict


def test_without_an_as_of_the_workers_clocks_are_unknown() -> None:
    assert check_worker_clocks((None, NOW)).verdict == "unknown"
