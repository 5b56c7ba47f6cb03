"""What of a throughput run is held against a target."""

from dataclasses import replace

import pytest

from benchmarks.throughput.figures import allowed, speed, targets
from benchmarks.throughput.run import Run, Stopwatch
from benchmarks.throughput.servers import taken_at

MEGABYTE = 1_000_000


def run(events: int, *, seconds: float = 1.0, cpu_seconds: float = 1.0, servers: float = 0.0) -> Run:
    return Run(
        start=0.0,
        events=events,
        seconds=seconds,
        cpu_seconds=cpu_seconds,
        peak_rss_bytes=90 * MEGABYTE,
        servers_cpu_seconds=servers,
    )


def test_a_contestant_is_compared_round_by_round() -> None:
    # The second round saw a machine half as fast: a ratio of medians over all rounds would be another.
    runs = {"worker": [run(600), run(300), run(660)], "consumer": [run(1_000), run(500), run(1_000)]}
    held = {target.what: target for target in targets(runs, cores=2)}  # type: ignore[arg-type]  # plain names
    assert held["worker to only consuming with aiokafka, at its fastest, by CPU time"].seen == pytest.approx(
        0.6
    )
    assert held["worker to only consuming with aiokafka, at its fastest, by CPU time"].holds


def test_a_contestant_without_a_turn_has_no_line() -> None:
    lines = [target.what for target in targets({"worker": [run(600)], "plain": [run(20)]}, cores=2)]
    assert lines == [
        "worker to a plain aiokafka loop, by CPU time",
        "worker by the clock to itself by CPU time",
        "memory of a worker",
    ]


def test_without_the_worker_there_is_nothing_to_compare() -> None:
    assert targets({"consumer": [run(1_000)]}, cores=2) == []


def test_a_worker_is_compared_with_its_own_cpu_time() -> None:
    worker = run(800, seconds=2.0, cpu_seconds=1.6)
    (own,) = [each for each in targets({"worker": [worker]}, cores=2) if "itself" in each.what]
    assert own.seen == pytest.approx(0.8)
    assert not own.holds


def test_two_workers_are_allowed_twice_the_pace_of_one_while_cores_are_free() -> None:
    assert allowed(run(1_000, cpu_seconds=0.9, servers=0.1), cores=8) == 2_000


def test_two_workers_are_allowed_no_more_than_the_cores_carry_with_the_servers() -> None:
    assert allowed(run(1_000, cpu_seconds=0.9, servers=0.7), cores=2) == pytest.approx(1_250)


def test_the_pair_is_held_against_what_the_cores_allow() -> None:
    worker, pair = run(1_000, cpu_seconds=0.9, servers=0.7), run(1_000, seconds=0.8)
    (together,) = [
        each for each in targets({"worker": [worker], "pair": [pair]}, cores=2) if "two" in each.what
    ]
    assert together.seen == pytest.approx(1.0)


def test_the_worst_round_counts_for_memory() -> None:
    heavy = replace(run(1_000), peak_rss_bytes=201 * MEGABYTE)
    (memory,) = [each for each in targets({"worker": [run(1_000), heavy]}, cores=2) if "memory" in each.what]
    assert memory.seen == pytest.approx(201)
    assert not memory.holds


def test_a_speed_is_of_the_median_round() -> None:
    middle = speed(
        [run(100), run(400, seconds=2.0, cpu_seconds=4.0, servers=0.0008), run(900, servers=0.0036)]
    )
    assert (middle.per_second, middle.per_cpu_second, middle.peak_megabytes) == (200, 100, 90)
    assert middle.servers_microseconds == pytest.approx(2)


def test_a_stopwatch_leaves_out_what_was_in_hand_before() -> None:
    taken = Stopwatch(10).stop(25)
    assert taken.events == 15
    assert taken.peak_rss_bytes > MEGABYTE
    assert taken.with_servers(0.5).servers_cpu_seconds == 0.5


@pytest.mark.parametrize(
    ("instant", "taken"), [(10.0, 1.0), (10.5, 1.1), (11.0, 1.2), (12.5, 3.2), (13.0, 3.2)]
)
def test_what_servers_took_is_told_of_any_instant(instant: float, taken: float) -> None:
    assert taken_at([(10.0, 1.0), (11.0, 1.2), (12.0, 3.2), (13.0, 3.2)], instant) == pytest.approx(taken)
