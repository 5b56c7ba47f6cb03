"""The ledger of dead letters: each once, and which of them were redriven."""

from collections.abc import Callable, Mapping

from headcount.ops.dead_letters.letters import Letter, Origin, parse_letter, parse_note
from ingest.batch import Partition
from ingest.kafka.log_reader import LogReader
from ingest.ports import Extent, Record


class Ledger:
    """What a reading of the dead-letter topic has met so far.

    A log that is read again brings the same letters again, so that a letter is known by its record. Memory
    grows with the number of letters, by a few hundred bytes each.
    """

    def __init__(self) -> None:
        self.reasons: dict[Origin, str] = {}
        self.redriven: set[Origin] = set()

    def enter(self, partition: Partition, record: Record) -> Letter | None:
        """Take in a record of the topic; return the letter that it is, if its like was not met before."""
        letter = parse_letter(partition, record)
        if letter is None:
            self.redriven.update(parse_note(record))
        elif letter.origin not in self.reasons:
            self.reasons[letter.origin] = letter.reason
            return letter
        return None

    async def read(
        self, log: LogReader, extents: Mapping[Partition, Extent], take: Callable[[Letter], None]
    ) -> None:
        """Read the topic, and hand every new letter on."""
        for partition, extent in extents.items():
            async for portion in log.read(partition, extent):
                for record in portion.records:
                    letter = self.enter(partition, record)
                    if letter is not None:
                        take(letter)
