"""The findings of a comparison or a repair: a counter and the state in which it was found."""

from typing import NamedTuple

from projector.keys import Counter
from projector.scripts.counters import State

__all__ = ["Finding", "State"]


class Finding(NamedTuple):
    """A counter and its state."""

    counter: Counter
    state: State
