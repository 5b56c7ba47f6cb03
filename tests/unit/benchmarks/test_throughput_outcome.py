"""What a contestant must have counted for its figure to stand."""

from datetime import date

from benchmarks.people import WorkspaceDay
from benchmarks.throughput.outcome import differences

DAY = date(2026, 11, 21)
TRUTH = {WorkspaceDay("acme", DAY): 100, WorkspaceDay("ufo", DAY): 10_000}
ACME, UFO = "acme:2026-11-21", "ufo:2026-11-21"


def test_estimates_within_their_error_are_right() -> None:
    assert differences({ACME: 99, UFO: 10_090}, TRUTH) == []


def test_a_peer_that_counts_nothing_is_found_out() -> None:
    assert differences({}, TRUTH)[:2] == [f"{ACME} is missing, not 100", f"{UFO} is missing, not 10000"]


def test_a_counter_too_far_off_is_told() -> None:
    assert differences({ACME: 80, UFO: 10_000}, TRUTH) == [f"{ACME} is 80, not 100"]


def test_a_counter_of_nobody_is_told() -> None:
    assert differences({ACME: 100, UFO: 10_000, "other:key": 1}, TRUTH) == ["other:key is 1, not there"]


def test_a_batch_left_out_shows_in_the_sum() -> None:
    truth = {WorkspaceDay(f"workspace-{number}", DAY): 100 for number in range(100)}
    found = {f"workspace-{number}:{DAY}": 98 for number in range(100)}
    assert differences(found, truth) == ["all together are 9,800, not 10,000"]
