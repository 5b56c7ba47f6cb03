"""When faults strike: at some of the points at which they would hurt, until they are to stop."""

import random
from collections.abc import Sequence
from typing import Final

from tests.simulation.faults import Fault
from tests.simulation.processes import Process
from tests.simulation.world import World, no_fault

TOGETHER: Final = (1, 1, 2)
"""How many faults strike at a point: some promises break only where two meet."""


class Strikes:
    """Has one of the faults strike at a share `rate` of the points."""

    def __init__(self, world: World, chance: random.Random, faults: Sequence[Fault], rate: float) -> None:
        self.struck: list[str] = []
        """The names of those that did."""
        self._world = world
        self._chance = chance
        self._faults = faults
        self._rate = rate
        self._is_striking = False

    def begin(self) -> None:
        self._world.strike = self._at

    def end(self) -> None:
        self._world.strike = no_fault

    def _at(self, caller: Process, moment: str) -> None:
        if self._is_striking or self._chance.random() >= self._rate:
            return
        self._is_striking = True  # a fault may set off requests that waited, and those are no new points
        for _ in range(self._chance.choice(TOGETHER)):
            self._strike(caller, moment)
        self._is_striking = False

    def _strike(self, caller: Process, moment: str) -> None:
        fault = self._chance.choice(self._faults)
        if what := fault(self._world, caller):
            self.struck.append(fault.__name__)
            self._world.say(f"*** {what}, when {moment}")
