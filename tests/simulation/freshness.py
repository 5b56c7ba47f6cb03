"""What as-of promises: every event published before it is counted; it is withheld while that is not so."""

from collections.abc import Callable

from ingest.batch import Partition
from tests.simulation.activity import START
from tests.simulation.broker import Broker
from tests.simulation.stored import Stored


class Freshness:
    """Judges what a reader would be told after each change, which is what it is told until the next."""

    def __init__(self, broker: Broker, stored: Stored, fail: Callable[[str], None]) -> None:
        self._broker = broker
        self._stored = stored
        self._fail = fail
        self._last: int | None = None
        """What readers were told, since they were last told that the projection is catching up."""
        self._catching_up: dict[Partition, int] = {}
        """How far each partition has to come before anybody is told anything again."""

    def begin_anew(self) -> None:
        """Forget what readers were told: Redis has lost something, as-of included."""
        self._last = None
        self._catching_up.clear()

    def expect_catching_up(self, partition: Partition) -> None:
        """Expect readers to be told nothing until the partition has come to where its log ends now."""
        if partition.number < len(self._broker.topic.partitions):
            self._catching_up[partition] = self._broker.topic.partitions[partition.number].end

    def check(self) -> None:
        instants = self._stored.instants()
        if not instants or len(instants) < self._stored.partitions():
            self._last = None
            return
        as_of = min(instants)
        if self._last is not None and as_of < self._last:
            self._fail(f"as-of went back from {self._last} to {as_of}")
        self._last = as_of
        self._check_caught_up()
        self._check_covered(as_of)

    def _check_caught_up(self) -> None:
        for partition, log in self._broker.topic.numbered():
            wanted = min(self._catching_up.pop(partition, 0), log.end)
            if (self._stored.checkpoint(partition) or 0) < wanted:
                self._fail(f"as-of is told, and {partition} is to catch up to {wanted} first")

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
