"""What a worker has done since it started, and how things stand with it, for whoever shows it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Final

from ingest.events.event import DeadLetterReason, Event
from ingest.ports import GapCause
from ingest.worker.histogram import Histogram
from ingest.worker.state import WorkerState

APPLY_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
EVENT_AGE_SECONDS: Final = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3_600.0, 86_400.0)
AGES_PER_BATCH: Final = 16
"""Of a larger batch only so many events' ages are looked at: the worker spends 4 µs on an event in all."""


@dataclass(slots=True)
class Stats:
    """Counts since the start of the worker. `batches` are those that moved a checkpoint.

    `apply_seconds` is how long Redis took for each of them, tries without an answer aside. `event_age` is how
    old events were when they were in. `waits` counts pauses of at most about a second.
    """

    records: int = 0
    batches: int = 0
    dead_letters: Counter[DeadLetterReason] = field(default_factory=Counter)
    refused: int = 0
    rollbacks: int = 0
    gaps: Counter[GapCause] = field(default_factory=Counter)
    waits: int = 0
    apply_seconds: Histogram = field(default_factory=partial(Histogram, APPLY_SECONDS))
    event_age: Histogram = field(default_factory=partial(Histogram, EVENT_AGE_SECONDS))
    state: WorkerState = field(default_factory=WorkerState)

    def note_batch(self, events: Sequence[Event], *, seconds: float, now: datetime) -> None:
        """Count a batch that moved a checkpoint at `now`, for which Redis took so long.

        In a large batch each event looked at, from the first on, stands for those up to the next one.
        """
        self.batches += 1
        self.apply_seconds.observe(seconds)
        stride = -(-len(events) // AGES_PER_BATCH) or 1
        for start in range(0, len(events), stride):
            age = (now - events[start].occurred_at).total_seconds()
            self.event_age.observe(max(0.0, age), times=min(stride, len(events) - start))
