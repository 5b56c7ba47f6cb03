"""How often a process looks for garbage in cycles, and among what: where it is busy, its pauses are felt."""

import gc
from typing import Final

YOUNG_OBJECTS: Final = 50_000
"""New containers before the first look at them: some batches' worth, where Python's own 700 looks at a batch
again and again while it is in hand. That costs as much as a third of reading it."""


def leave_out_start() -> None:
    """Look no more at what the start of the process has made, some hundred thousand objects, for 50 ms."""
    gc.freeze()


def tune_gc() -> None:
    """Look after many more allocations than by default: records and events leave no cycles.

    Not for a process that answers requests: each leaves some, and to clear up after thousands of them at once
    has one in a hundred wait for 30 ms.
    """
    leave_out_start()
    _, older, oldest = gc.get_threshold()
    gc.set_threshold(YOUNG_OBJECTS, older, oldest)
