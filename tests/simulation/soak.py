"""Many schedules, one after another or side by side, and what failed of them."""

import gc
import itertools
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from tests.simulation.schedule import run_schedule

CHUNK: Final = 20
"""How many schedules a process is given at once."""
COLLECTED_AT: Final = 200_000
"""Objects are many and short-lived here; the default has the collector run without end."""


@dataclass(slots=True)
class Findings:
    """What schedules came to: what failed, by seed, and how often each fault struck."""

    schedules: int = 0
    failures: dict[int, str] = field(default_factory=dict)
    struck: Counter[str] = field(default_factory=Counter)

    def add(self, other: "Findings") -> None:
        self.schedules += other.schedules
        self.failures |= other.failures
        self.struck += other.struck


def run_schedules(seeds: Iterable[int]) -> Findings:
    findings = Findings()
    with _rarely_collected():
        for seed in seeds:
            findings.schedules += 1
            try:
                findings.struck.update(run_schedule(seed))
            except Exception as error:  # noqa: BLE001 - whatever ended it is what is looked for
                findings.failures[seed] = _in_a_line(error)
    return findings


def soak(first: int, schedules: int, seconds: float, jobs: int) -> Iterator[Findings]:
    """Run schedules of the seeds from `first` on until their number or the time is up; yield as it goes."""
    until = time.monotonic() + seconds
    starts = iter(range(first, first + schedules, CHUNK))
    with ProcessPoolExecutor(jobs) as pool:
        running = {
            pool.submit(run_schedules, _chunk(start, first + schedules)) for start in _some(starts, jobs)
        }
        while running:
            done = next(as_completed(running))
            running.remove(done)
            if time.monotonic() < until:
                running |= {
                    pool.submit(run_schedules, _chunk(start, first + schedules)) for start in _some(starts, 1)
                }
            yield done.result()


def replay_command(seed: int) -> str:
    return f"python -m tests.simulation --seed {seed} -v"


def _chunk(start: int, end: int) -> range:
    return range(start, min(start + CHUNK, end))


def _some(starts: Iterator[int], number: int) -> Iterator[int]:
    return itertools.islice(starts, number)


def _in_a_line(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"


@contextmanager
def _rarely_collected() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(COLLECTED_AT, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
