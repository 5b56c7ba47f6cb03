"""The pure parts of the freshness benchmark: its pace, its percentiles, and when a worker is saturated."""

from itertools import accumulate, repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.freshness.background import END, beginnings
from benchmarks.freshness.latency import Latency
from benchmarks.freshness.measuring import is_saturated
from benchmarks.freshness.pace import MOST_BEHIND_SECONDS, Pace
from benchmarks.freshness.standing import Standing
from ingest.events.event import decode


@given(
    rate=st.integers(1, 1_000_000), steps=st.lists(st.floats(0, MOST_BEHIND_SECONDS), min_size=1, max_size=50)
)
def test_a_pace_keeps_its_rate_however_it_is_asked(rate: int, steps: list[float]) -> None:
    pace = Pace(rate, start=0)
    instants = list(accumulate(steps))
    assert sum(map(pace.due, instants)) == pytest.approx(rate * instants[-1], abs=1)


def test_a_pace_makes_up_for_a_part_of_an_event() -> None:
    pace = Pace(1, start=100)
    assert [pace.due(100 + 0.25 * turn) for turn in range(1, 9)] == [0, 0, 0, 1, 0, 0, 0, 1]


def test_a_pace_that_was_held_up_does_not_burst() -> None:
    pace = Pace(1_000, start=0)
    assert pace.due(10) == 1_000 * MOST_BEHIND_SECONDS
    assert pace.due(10.1) == pytest.approx(100, abs=1)


def test_percentiles_are_times_that_were_seen() -> None:
    seconds = [number / 1_000 for number in range(100, 0, -1)]
    assert Latency.of(seconds) == Latency(p50=50.0, p99=99.0, max=100.0)


def test_one_time_is_every_percentile() -> None:
    assert Latency.of([0.0123]) == Latency(p50=12.3, p99=12.3, max=12.3)


def test_one_slow_probe_of_a_hundred_is_past_the_99th_percentile() -> None:
    assert Latency.of([*repeat(0.01, 99), 5.0]) == Latency(p50=10.0, p99=10.0, max=5_000.0)
    assert Latency.of([*repeat(0.01, 98), 5.0, 5.0]).p99 == 5_000.0


@pytest.mark.parametrize(("counted", "saturated"), [(960_000, False), (940_000, True)])
def test_a_worker_is_saturated_if_its_lag_grows_by_half_a_second_of_the_load(
    counted: int, *, saturated: bool
) -> None:
    before = Standing(at=0, published=50_000, counted=49_000)
    after = Standing(at=10, published=1_050_000, counted=49_000 + counted)
    assert is_saturated(before, after) is saturated


def test_a_worker_that_catches_up_is_not_saturated() -> None:
    before = Standing(at=0, published=50_000, counted=0)
    assert not is_saturated(before, Standing(at=1, published=60_000, counted=59_000))


def test_the_load_is_made_of_events() -> None:
    event = decode(beginnings()[205] + b"2026-01-02T03:04:05Z" + END)
    assert (event.workspace_id, event.user_id, event.type) == ("workspace-5", "00000000000000205", "message")
