"""The checks of what the counters mean."""

import pytest

from headcount.ops.doctor.deployment import check_audience, check_deployment, check_forgotten, check_key
from headcount.ops.doctor.finding import Verdict


def test_another_deployment_in_redis_is_a_problem() -> None:
    recorded = {"topic": "a"}
    assert check_deployment((None, recorded)).verdict == "ok"
    assert check_deployment((None, {})).verdict == "warning"
    found = check_deployment(("Redis counts for TOPIC 'a', this start is for 'b'.", recorded))
    assert (found.verdict, found.found) == ("problem", "Redis counts for TOPIC 'a', this start is for 'b'.")


@pytest.mark.parametrize(
    ("recorded", "words"),
    [
        ({}, "All activity is counted."),
        ({"ignored_event_types": "", "ignored_user_types": ""}, "All activity is counted."),
        ({"ignored_event_types": "typing"}, "All activity is counted except events of type typing."),
        (
            {"ignored_event_types": "call,typing", "ignored_user_types": "app,bot"},
            "All activity is counted except events of type call,typing and users of type app,bot.",
        ),
    ],
)
def test_who_counts_is_shown(recorded: dict[str, str], words: str) -> None:
    assert (check_audience(recorded).verdict, check_audience(recorded).found) == ("ok", words)


@pytest.mark.parametrize(
    ("recorded", "given", "verdict"),
    [
        ("a1", "a1", "ok"),
        (None, "a1", "ok"),
        ("a1", "b2", "problem"),
        ("a1", None, "unknown"),
        (None, None, "unknown"),
    ],
)
def test_the_key_is_compared_with_the_recorded_one(
    recorded: str | None, given: str | None, verdict: Verdict
) -> None:
    found = check_key(({} if recorded is None else {"user_id_hash_key": recorded}, given))
    assert found.verdict == verdict
    assert bool(found.advice) == (verdict != "ok")


@pytest.mark.parametrize(
    ("recorded", "verdict"),
    [
        ({}, "ok"),
        ({"forgotten": "2", "without": "2"}, "ok"),
        ({"forgotten": "1"}, "warning"),
        ({"forgotten": "3", "without": "2"}, "warning"),
    ],
)
def test_estimates_that_may_hold_forgotten_people_are_warned_of(
    recorded: dict[str, str], verdict: Verdict
) -> None:
    assert check_forgotten(recorded).verdict == verdict
