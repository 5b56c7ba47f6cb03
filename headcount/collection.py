"""How often a process that goes on looks for garbage in cycles: what it handles all day leaves none."""

import gc
from typing import Final

YOUNG_OBJECTS: Final = 50_000
"""New containers before the first look at them: some batches' worth, where Python's own 700 looks at a batch
again and again while it is in hand. That costs as much as a third of reading it."""


def collect_rarely() -> None:
    """Collect after many more allocations than by default, and leave out what the start has made."""
    gc.freeze()
    _, older, oldest = gc.get_threshold()
    gc.set_threshold(YOUNG_OBJECTS, older, oldest)
