"""How fresh a partition is: the latest instant whose events are all counted."""

from collections import deque
from datetime import datetime
from typing import Final

from ingest.batch import Offset

MAX_SAMPLES: Final = 1_024


class Watermarks:
    """Samples of where a partition's log ended, and the rule that reads an as-of instant from them.

    If the log ended at offset `end` at some instant, then a checkpoint at or past `end` has counted every
    event published before that instant. No record's timestamp is trusted: producers set those.
    """

    def __init__(self) -> None:
        self._samples: deque[tuple[Offset, datetime]] = deque()
        self._as_of: datetime | None = None

    def add(self, end: Offset, instant: datetime) -> None:
        """Note that the log ended at `end` or before it at `instant`, the clock when that was asked."""
        while self._samples and self._samples[-1][0] >= end:
            self._samples.pop()  # also the ends of a log that was truncated, which may never be reached again
        self._samples.append((end, instant))
        if len(self._samples) > MAX_SAMPLES:
            # A long backlog: half as fine a resolution is fine for an as-of that far back.
            self._samples = deque(list(self._samples)[::-2][::-1])

    def as_of(self, checkpoint: Offset) -> datetime | None:
        """Return the latest sampled instant that the checkpoint covers, None before the first."""
        while self._samples and self._samples[0][0] <= checkpoint:
            self._as_of = self._samples.popleft()[1]
        return self._as_of
