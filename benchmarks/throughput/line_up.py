"""Who takes part: the command of each contestant, how much it reads, and what it must leave in Redis."""

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final, Literal

OurName = Literal["worker", "consumer", "consumer-batches"]
Name = Literal[OurName, "bytewax", "bytewax-batches", "quix", "plain", "pair"]

ENVIRONMENT: Final = Path(".venv-peers")
LIST_VERSIONS: Final = (
    "import importlib.metadata as m, json;"
    "print(json.dumps({d.metadata['Name'].lower(): d.version for d in m.distributions()}))"
)


class Leaves(Enum):
    """What a contestant's turn must leave in Redis, so that one that does not do the work can't win."""

    CHECKPOINTS = "checkpoints that add up to the backlog"
    COUNTERS = "a counter of each workspace and day, as high as the truth within its error"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """`share` is how much of the backlog it reads: of a slow one the rate is known sooner."""

    name: Name
    command: Sequence[str]
    leaves: Leaves
    share: float = 1.0
    needs: Sequence[str] = ()


def _ours(name: OurName, leaves: Leaves) -> Contestant:
    command = (sys.executable, "-m", "benchmarks.throughput.contestants", name)
    return Contestant(name=name, command=command, leaves=leaves)


def _peer(name: Name, module: str, needs: Sequence[str], *, share: float = 1.0) -> Contestant:
    command = (str(ENVIRONMENT / "bin" / "python"), "-m", f"benchmarks.peers.{module}")
    return Contestant(name=name, command=command, leaves=Leaves.COUNTERS, share=share, needs=needs)


_BYTEWAX: Final = ("bytewax", "confluent-kafka", "redis", "orjson")

ALONE: Final = (
    _ours("worker", Leaves.CHECKPOINTS),
    _ours("consumer", Leaves.NOTHING),
    _ours("consumer-batches", Leaves.NOTHING),
    _peer("bytewax", "bytewax_events", _BYTEWAX),
    _peer("bytewax-batches", "bytewax_batches", _BYTEWAX),
    _peer("quix", "quix_streams", ("quixstreams", "confluent-kafka", "redis")),
    _peer("plain", "plain_loop", ("aiokafka", "redis", "orjson"), share=1 / 8),
)
"""Those that have a turn to themselves; the pair of workers is the one contestant that is two processes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineUp:
    """Those who can take part, in the order of their turns, and the names of those who can't.

    `has_pair` says whether two workers at once follow them.
    """

    present: Sequence[Contestant]
    missing: Sequence[Name]
    has_pair: bool


def line_up(wanted: Iterable[str], installed: Mapping[str, str]) -> LineUp:
    """Say who of those wanted can take part, given the packages of the peers' environment."""
    names = set(wanted)
    chosen = [contestant for contestant in ALONE if contestant.name in names]
    present = [contestant for contestant in chosen if set(contestant.needs) <= installed.keys()]
    missing = [contestant.name for contestant in chosen if contestant not in present]
    return LineUp(present=present, missing=missing, has_pair="pair" in names)


def installed_peers() -> Mapping[str, str]:
    """Return the packages of the peers' environment with their versions, none where it was not made."""
    python = ENVIRONMENT / "bin" / "python"
    if not python.exists():
        return {}
    listed = subprocess.run([python, "-c", LIST_VERSIONS], check=True, capture_output=True)
    versions: dict[str, str] = json.loads(listed.stdout)
    return versions


def versions_of(contestants: Iterable[Contestant], installed: Mapping[str, str]) -> Mapping[str, str]:
    """Return the versions of what the contestants need."""
    names = {name for contestant in contestants for name in contestant.needs}
    return {name: installed[name] for name in sorted(names)}
