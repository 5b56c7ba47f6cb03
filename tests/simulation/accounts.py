"""The guarantee of a checkpoint: each record below it is counted, dead-lettered or reported as a gap."""

from collections.abc import Callable

from ingest.batch import Partition
from tests.simulation.broker import Broker
from tests.simulation.log import Entry, PartitionLog
from tests.simulation.stored import Stored


class Accounts:
    """Follows each checkpoint over the log; `fail` gets the first record that is missing."""

    def __init__(self, broker: Broker, stored: Stored, fail: Callable[[str], None]) -> None:
        self._broker = broker
        self._stored = stored
        self._fail = fail
        self._letters: set[tuple[int, int]] = set()
        self._letters_seen = 0
        self._verified: dict[Partition, int] = {}
        self._topic_id: str | None = None

    def forget_letters(self, number: int, end: int) -> None:
        """Forget the dead letters of offsets that will be given again."""
        self._letters = {each for each in self._seen_letters() if each[0] != number or each[1] < end}

    def forget_all_letters(self) -> None:
        self._seen_letters().clear()

    def start_over(self) -> None:
        """Verify all again: Redis has lost something."""
        self._verified.clear()
        self._topic_id = None

    def check(self) -> None:
        self._check_topic_id(self._stored.topic_id())
        if self._topic_id == str(self._broker.topic.id):
            for partition, log in self._broker.topic.numbered():
                self._check_partition(partition, log)

    def check_gap(self, partition: Partition, expected: int, to: int) -> None:
        """Expect the newest gap to tell that a checkpoint was put elsewhere, and from where."""
        newest = [(gap.partition, gap.checkpoint) for gap in self._stored.gaps()[-1:]]
        if to != expected and newest != [(partition.number, expected)]:
            self._fail(f"{partition} was put from {expected} to {to}, and no gap says so")

    def _check_topic_id(self, stored: str | None) -> None:
        if stored == self._topic_id:
            return
        if self._topic_id is not None and not any(gap.cause == "recreated" for gap in self._stored.gaps()):
            self._fail("the topic was recreated, and no gap says so")
        self._topic_id = stored
        self._verified.clear()

    def _check_partition(self, partition: Partition, log: PartitionLog) -> None:
        checkpoint = self._stored.checkpoint(partition)
        if checkpoint is None:
            self._verified.pop(partition, None)
            return
        first = self._verified.get(partition, log.beginning)
        self._verified[partition] = checkpoint
        for offset in range(first, min(checkpoint, log.end)):
            if not self._is_accounted(partition, offset, log.entries[offset]):
                self._judge(partition, offset, log)

    def _is_accounted(self, partition: Partition, offset: int, entry: Entry) -> bool:
        if entry.is_poison:
            return (partition.number, offset) in self._seen_letters()
        return self._stored.counts(entry)

    def _judge(self, partition: Partition, offset: int, log: PartitionLog) -> None:
        """Return the flaw of an entry that is not accounted for, unless a gap covers it."""
        if offset >= log.beginning:
            what = "poison without a dead letter" if log.entries[offset].is_poison else "an event not counted"
            self._fail(f"{what} at {partition} {offset}, and the checkpoint is past it")
        gaps = [gap for gap in self._stored.gaps() if gap.partition == partition.number]
        if not any(gap.checkpoint <= offset < gap.beginning for gap in gaps):
            self._fail(f"{partition} {offset} was removed before it was counted, and no gap says so")

    def _seen_letters(self) -> set[tuple[int, int]]:
        for letter in self._broker.letters[self._letters_seen :]:
            place = int(letter.header("headcount-partition")), int(letter.header("headcount-offset"))
            self._letters.add(place)
        self._letters_seen = len(self._broker.letters)
        return self._letters
