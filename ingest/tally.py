"""What a worker has done since it started, for whoever shows it."""

from collections import Counter
from dataclasses import dataclass, field

from ingest.event import DeadLetterReason


@dataclass(slots=True)
class Tally:
    """Counts since the start of the worker."""

    records: int = 0
    batches: int = 0
    dead_letters: Counter[DeadLetterReason] = field(default_factory=Counter)
    refused: int = 0
    rollbacks: int = 0
    gaps: int = 0
    waits: int = 0
