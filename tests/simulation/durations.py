"""How long faults last: mostly short, so that many fit into a schedule."""

import random


def some_seconds(chance: random.Random) -> float:
    return chance.choice([0.05, 0.3, 1.5, 6.0]) * (0.5 + chance.random())
