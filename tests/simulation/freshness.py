"""What as-of promises: every event published before it is counted; it is withheld while that is not so."""

from collections.abc import Callable

from ingest.batch import Partition
from tests.simulation.activity import START
from tests.simulation.broker import Broker
from tests.simulation.stored import Stored


class Freshness:
    """Checks the answer that a reader would get after each change, and until the next."""

    def __init__(self, broker: Broker, stored: Stored, fail: Callable[[str], None]) -> None:
        self._broker = broker
        self._stored = stored
        self._fail = fail
        self._last: int | None = None
        """The answers of readers since they last got that the projection is catching up."""
        self._refused: dict[tuple[str, Partition], int] = {}
        """Where a worker stood when it was refused because the checkpoint had gone back."""

    def start_over(self) -> None:
        """Drop the answers so far: Redis has lost state, including as-of."""
        self._last = None
        self._refused.clear()

    def check_withheld(self, partition: Partition) -> None:
        """Expect as-of to be withdrawn, since the partition's checkpoint was moved back."""
        if self._stored.as_of(partition) is not None:
            self._fail(f"{partition} was put back, and its as-of stays")

    def note_step(
        self, caller: str, partition: Partition, batch: tuple[int, int], stored: int | None
    ) -> None:
        """Expect a rejected worker to withdraw as-of before it continues from an earlier offset."""
        start, end = batch
        if stored is not None and stored < start:
            self._refused[caller, partition] = start
        elif stored == end and end >= self._refused.get((caller, partition), 0):
            self._refused.pop((caller, partition), None)
        elif stored == end and self._stored.as_of(partition) is not None:
            self._fail(f"{caller} found that {partition} went back, and continues without withdrawing as-of")

    def note_rewind_asked(self, caller: str, partition: Partition) -> None:
        self._refused.pop((caller, partition), None)

    def check(self) -> None:
        instants = self._stored.instants()
        if not instants or len(instants) < self._stored.partitions():
            self._last = None
            return
        as_of = min(instants)
        if self._last is not None and as_of < self._last:
            self._fail(f"as-of went back from {self._last} to {as_of}")
        self._last = as_of
        self._check_covered(as_of)

    def _check_covered(self, as_of: int) -> None:
        """Look only from the checkpoint on: what is below is accounted for already."""
        seconds = as_of / 1000 - START.timestamp()
        for partition, log in self._broker.topic.numbered():
            first = max(self._stored.checkpoint(partition) or 0, log.beginning)
            for offset, entry in enumerate(log.entries[first:], start=first):
                if entry.is_published_before(seconds) and not self._stored.counts(entry):
                    self._fail(
                        f"as-of is past {partition} {offset} of {entry.published_at}, which is not counted"
                    )
