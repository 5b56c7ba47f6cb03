"""What a benchmark is to reach: a ratio or a bound, and what was seen of it, in one run."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One line of the table of targets. The JSON of a benchmark holds a list of them, named `targets`.

    `unit` is "" for a ratio. Figures of another run do not belong in it: they move with the machine.
    """

    what: str
    seen: float
    bound: float
    unit: str = ""
    side: Literal["at least", "at most"] = "at least"

    @property
    def holds(self) -> bool:
        """Whether what was seen keeps to the bound."""
        return self.seen >= self.bound if self.side == "at least" else self.seen <= self.bound
