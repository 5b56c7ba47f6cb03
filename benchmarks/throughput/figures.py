"""What was seen of throughput, and what of it is held against a target. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from benchmarks.backlog import Shape
from benchmarks.machine import Machine
from benchmarks.target import Target
from benchmarks.throughput.line_up import Name
from benchmarks.throughput.run import Run

Runs = Mapping[Name, Sequence[Run]]

TIMES_A_PEER: Final[Mapping[Name, tuple[str, float]]] = {
    "consumer": ("only consuming with aiokafka, at its fastest", 0.60),
    "consumer-batches": ("only consuming with aiokafka, in the worker's batches", 0.60),
    "bytewax": ("Bytewax, a step an event", 3.5),
    "bytewax-batches": ("Bytewax, a step a batch", 3.5),
    "quix": ("Quix Streams", 6.0),
    "plain": ("a plain aiokafka loop", 40.0),
}
OWN_PACE: Final = 0.85
"""Of its rate by CPU time, since fetching, decoding and applying overlap."""
PAIR_PACE: Final = 0.85
"""Of what the cores allow two workers; the rest is what the group and an uneven share of partitions cost."""
MEGABYTE: Final = 1_000_000
MICROSECONDS: Final = 1e6
WORKER_MEGABYTES: Final = 200.0


@dataclass(frozen=True, slots=True)
class Speed:
    """Events a second, and a second of CPU time; memory; and what an event costs Kafka and Redis."""

    per_second: float
    per_cpu_second: float
    peak_megabytes: float
    servers_microseconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What was seen, and on what: each run, the medians over the rounds, and the targets.

    `peers` are the versions of other software; `missing` names the contestants that could not take part.
    """

    machine: Machine
    load_average: float
    backlog: Shape
    peers: Mapping[str, str]
    missing: Sequence[Name]
    runs: Runs
    medians: Mapping[Name, Speed]
    targets: Sequence[Target]


def speed(runs: Sequence[Run]) -> Speed:
    """Return the medians of some runs."""
    return Speed(
        median(run.per_second for run in runs),
        median(run.per_cpu_second for run in runs),
        median(run.peak_rss_bytes for run in runs) / MEGABYTE,
        median(run.servers_cpu_seconds / run.events for run in runs) * MICROSECONDS,
    )


def targets(runs: Runs, cores: int) -> list[Target]:
    """Hold what was seen against what is to be reached; who had no turn has no line."""
    worker = runs.get("worker", ())
    if not worker:
        return []
    held = [_beside(worker, runs[peer], peer) for peer in TIMES_A_PEER if runs.get(peer)]
    held += [_own_pace(worker), _memory(worker)]
    return held + ([_pair(worker, runs["pair"], cores)] if runs.get("pair") else [])


def allowed(worker: Run, cores: int) -> float:
    """Return how many events a second the cores allow two workers, after what one of them took.

    They are twice as fast as one, unless the cores are full before: they also carry Kafka and Redis.
    """
    seconds_an_event = (worker.cpu_seconds + worker.servers_cpu_seconds) / worker.events
    return min(2 * worker.per_second, cores / seconds_an_event)


def _beside(worker: Sequence[Run], peer: Sequence[Run], name: Name) -> Target:
    words, bound = TIMES_A_PEER[name]
    seen = _by_round(lambda run, peer_run: run.per_cpu_second / peer_run.per_cpu_second, worker, peer)
    return Target(what=f"worker to {words}, by CPU time", seen=seen, bound=bound)


def _own_pace(worker: Sequence[Run]) -> Target:
    seen = median(run.per_second / run.per_cpu_second for run in worker)
    return Target(what="worker by the clock to itself by CPU time", seen=seen, bound=OWN_PACE)


def _pair(worker: Sequence[Run], pair: Sequence[Run], cores: int) -> Target:
    seen = _by_round(lambda one, two: two.per_second / allowed(one, cores), worker, pair)
    return Target(what="two workers to what the cores allow them", seen=seen, bound=PAIR_PACE)


def _memory(worker: Sequence[Run]) -> Target:
    seen = max(run.peak_rss_bytes for run in worker) / MEGABYTE
    return Target(what="memory of a worker", seen=seen, bound=WORKER_MEGABYTES, unit="MB", side="at most")


def _by_round(ratio: Callable[[Run, Run], float], runs: Sequence[Run], peer_runs: Sequence[Run]) -> float:
    """Return the median of the rounds' ratios: turns of one round saw the same machine."""
    return median(ratio(one, other) for one, other in zip(runs, peer_runs, strict=True))
