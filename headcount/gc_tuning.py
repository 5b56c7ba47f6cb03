"""Tunes the cyclic garbage collector, whose pauses delay busy processes."""

import gc
from typing import Final

YOUNG_OBJECTS: Final = 50_000
"""The threshold of the youngest generation, a few batches. With Python's default of 700, collections during a
batch cost as much as a third of reading it."""


def freeze_startup_objects() -> None:
    """Exclude the objects of the startup from collections: some hundred thousand objects, 50 ms each time."""
    gc.freeze()


def tune_gc() -> None:
    """Collect less often than by default, because records and events create no cycles.

    Not for a process that serves requests: each creates some cycles, and collecting those of thousands of
    requests at once delays one request in a hundred by 30 ms.
    """
    freeze_startup_objects()
    _, older, oldest = gc.get_threshold()
    gc.set_threshold(YOUNG_OBJECTS, older, oldest)
