"""What the turns amount to: medians, ratios, and whether they reach the targets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final, Self

from benchmarks.machine import Machine
from benchmarks.polling.contestants import Name
from benchmarks.polling.wrk import Load
from benchmarks.target import Target

ORDER: Final[Sequence[Name]] = (
    "bare",
    "polling",
    "one-round-trip",
    "uncached",
    "new-token",
    "eight-pfcounts",
    "not-modified",
    "two-processes",
)
COMPARED: Final[Sequence[tuple[Name, Name]]] = (
    ("polling", "bare"),
    ("not-modified", "bare"),
    ("uncached", "one-round-trip"),
    ("new-token", "one-round-trip"),
    ("polling", "eight-pfcounts"),
    ("uncached", "eight-pfcounts"),
)


@dataclass(frozen=True, slots=True)
class Turn:
    """What wrk saw of one contestant, and the CPU time that the server took for it."""

    contestant: Name
    load: Load
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many requests one answers while another answers one: by the clock, and by the servers' CPU time.

    Both are the same where each server has a core to itself and keeps it busy.
    """

    per_second: float
    per_cpu_second: float

    @property
    def least(self) -> float:
        """The one to rely on: the clock flatters who had more of a busy machine, CPU time who only waited."""
        return min(self.per_second, self.per_cpu_second)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast one was, by the medians of its turns; times in milliseconds.

    `busy` is the share of the time that its server was on a core: near 1, or something else was on it too.
    """

    requests_per_second: float
    requests_per_cpu_second: float
    busy: float
    p50: float
    p99: float

    def __truediv__(self, other: "Pace") -> Ratio:
        return Ratio(
            self.requests_per_second / other.requests_per_second,
            self.requests_per_cpu_second / other.requests_per_cpu_second,
        )

    @classmethod
    def of(cls, turns: Sequence[Turn]) -> Self:
        """Take the medians."""
        return cls(
            requests_per_second=median(turn.load.requests_per_second for turn in turns),
            requests_per_cpu_second=median(turn.load.requests / turn.cpu_seconds for turn in turns),
            busy=median(turn.cpu_seconds / turn.load.seconds for turn in turns),
            p50=median(turn.load.p50 for turn in turns),
            p99=median(turn.load.p99 for turn in turns),
        )


Paces = Mapping[Name, Pace]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What was seen, and on what. Where cores are parted, the server has one to itself."""

    machine: Machine
    load_average: float
    cores_are_parted: bool
    connections: int
    seconds_a_turn: int
    rounds: Sequence[Sequence[Turn]]
    medians: Paces
    ratios: Mapping[str, Ratio]
    targets: Sequence[Target]


def medians(rounds: Sequence[Sequence[Turn]]) -> Paces:
    """Sum up the rounds, by contestant."""
    turns = [turn for each in rounds for turn in each]
    return {name: Pace.of([turn for turn in turns if turn.contestant == name]) for name in ORDER}


def ratios(paces: Paces) -> Mapping[str, Ratio]:
    """Return the ratio of each pair in `COMPARED`."""
    return {f"{one} to {other}": paces[one] / paces[other] for one, other in COMPARED}


def targets(paces: Paces) -> Sequence[Target]:
    """Hold the read path against what it is to reach."""
    return [
        Target(
            what="requests/s of repeated polling, to a bare aiohttp handler's",
            seen=(paces["polling"] / paces["bare"]).least,
            bound=0.80,
        ),
        Target(
            what="p99 of repeated polling, to a bare aiohttp handler's",
            seen=paces["polling"].p99 / paces["bare"].p99,
            bound=2.0,
            side="at most",
        ),
        Target(
            what="requests/s of uncached answers, to a handler's of one Redis round trip",
            seen=(paces["uncached"] / paces["one-round-trip"]).least,
            bound=0.50,
        ),
    ]
