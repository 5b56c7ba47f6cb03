"""Schedules of the simulator: a fixed few in every run, and as many as `HEADCOUNT_SIMULATION_SEEDS` names."""

import os
from typing import Final

import pytest

from tests.simulation.faults import FAULTS
from tests.simulation.schedule import run_schedule
from tests.simulation.soak import CHUNK, replay_command, run_schedules

SEEDS: Final = os.environ.get("HEADCOUNT_SIMULATION_SEEDS", "0-399")
"""The first seed and the last."""


def chunks() -> list[range]:
    first, last = map(int, SEEDS.split("-"))
    return [range(start, min(start + CHUNK, last + 1)) for start in range(first, last + 1, CHUNK)]


@pytest.mark.parametrize("seeds", chunks(), ids=lambda seeds: f"{seeds.start}-{seeds.stop - 1}")
def test_every_schedule_keeps_every_promise(seeds: range) -> None:
    findings = run_schedules(seeds)
    failures = [f"{what}\n  {replay_command(seed)}" for seed, what in findings.failures.items()]
    assert not failures, "\n".join(failures)


def test_a_seed_makes_the_same_schedule_again() -> None:
    traces: list[list[str]] = [[], []]
    for trace in traces:
        run_schedule(11, trace.append)
    assert traces[0] == traces[1]
    assert len(traces[0]) > 100


def test_every_fault_strikes_somewhere() -> None:
    missing = {fault.__name__ for faults in FAULTS.values() for fault in faults}
    for first in range(0, 1_000, CHUNK):
        missing -= run_schedules(range(first, first + CHUNK)).struck.keys()
        if not missing:
            return
    pytest.fail(f"never met: {missing}")
