"""Which cores a benchmark's server runs on, and which everything else that takes part."""

import os
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Cores:
    """One core for a server alone, and the others for its clients and for Redis; none where all share all."""

    server: AbstractSet[int] = frozenset()
    others: AbstractSet[int] = frozenset()

    @classmethod
    def parted(cls) -> Self:
        """Part this machine's cores, if there are two at least and its system lets us say who runs where."""
        allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else frozenset[int]()
        if len(allowed) < 2:
            return cls()
        server = frozenset({max(allowed)})
        return cls(server=server, others=allowed - server)

    @property
    def are_parted(self) -> bool:
        return bool(self.server)

    @property
    def both(self) -> AbstractSet[int]:
        return self.server | self.others


def pin(process: int, cores: AbstractSet[int]) -> None:
    """Hold a process to the cores, with its threads and what it starts from now on; none is no hold."""
    if cores:
        for thread in Path(f"/proc/{process}/task").iterdir():
            os.sched_setaffinity(int(thread.name), cores)
