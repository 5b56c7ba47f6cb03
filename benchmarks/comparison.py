"""Compares the ratios of a short run with the recorded ones: which fell, and by how much."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from benchmarks.target import Target

FALL: Final = 0.15
"""A ratio moves by less than this from one run to the next on one machine."""

Ratios = Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One ratio; `recorded` is None for one that was not there then, `seen` for one that is not here now."""

    what: str
    recorded: float | None
    seen: float | None

    @property
    def change(self) -> float | None:
        """How much more it is than recorded, as a share of that."""
        if self.recorded is None or self.seen is None:
            return None
        return self.seen / self.recorded - 1

    @property
    def fell(self) -> bool:
        """Whether it is lower than chance explains, or gone."""
        if self.recorded is None:
            return False
        return self.change is None or self.change < -FALL


def ratios_of(targets: Iterable[Target]) -> Ratios:
    """Return what may be compared between runs: ratios that are to be high. Times move with the machine."""
    return {target.what: target.seen for target in targets if not target.unit and target.side == "at least"}


def compare(recorded: Ratios, seen: Ratios) -> list[Compared]:
    """Pair recorded and measured values in the order of recording, with new ones at the end."""
    names = dict.fromkeys([*recorded, *seen])
    return [Compared(what=name, recorded=recorded.get(name), seen=seen.get(name)) for name in names]
