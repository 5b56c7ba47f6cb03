"""Statistics of a worker since its start, for metrics and for the last log line."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Final

from ingest.events.event import DeadLetterReason, Event
from ingest.ports import GapCause
from ingest.worker.state import WorkerState

APPLY_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
EVENT_AGE_SECONDS: Final = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3_600.0, 86_400.0)
AGES_PER_BATCH: Final = 16
"""The number of events per batch whose age is observed: the worker spends 4 µs on an event in all."""


class Histogram:
    """Counts observed values by interval, and sums them; `bounds` are the upper bounds, ascending."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        """The number of values in each interval, not cumulative; the last one has no upper bound."""
        self.sum = 0.0

    def observe(self, value: float, *, times: int = 1) -> None:
        """Add a value `times` times; one that equals a bound is in the interval below it."""
        self.counts[bisect_left(self.bounds, value)] += times
        self.sum += value * times


@dataclass(slots=True)
class Stats:
    """Counts since the start of the worker. `batches` are those that moved a checkpoint.

    `apply_seconds` is the time that Redis took for each of them, without failed attempts. `event_age` is the
    age of events when they were counted. `waits` counts pauses of at most about a second.
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
        """Count a batch that moved a checkpoint at `now`; Redis took `seconds` for it.

        In a large batch, each event whose age is observed stands for those up to the next one.
        """
        self.batches += 1
        self.apply_seconds.observe(seconds)
        stride = -(-len(events) // AGES_PER_BATCH) or 1
        for start in range(0, len(events), stride):
            age = (now - events[start].occurred_at).total_seconds()
            self.event_age.observe(max(0.0, age), times=min(stride, len(events) - start))
