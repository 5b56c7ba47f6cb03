"""The number of dead letters that wait, kept up to date by reading only what is new in their topic."""

from typing import Final

from headcount.ops.dead_letters.letters import Origin, Place, parse_letter, parse_note
from headcount.ops.dead_letters.overview import dead_letter_topic
from headcount.preflight.connections import open_log
from headcount.wiring import Config
from ingest.batch import Offset, Partition
from ingest.kafka.log_reader import LogReader
from ingest.ports import Extent, Record

MAX_LETTERS: Final = 20_000
"""So many are read in well under a second; of more, only their number is known."""


class WaitingLetters:
    """The letters in the dead-letter topic whose records were not published again.

    A letter that retention or an operator deletes no longer waits. Memory grows with the number of letters,
    by a few hundred bytes each, up to `MAX_LETTERS`.
    """

    def __init__(self) -> None:
        self._letters: dict[Origin, Place] = {}
        self._redriven: set[Origin] = set()
        self._read: dict[Partition, Extent] = {}

    async def count(self, config: Config) -> int:
        """Read what was appended since the last call, and return how many letters wait.

        Where the topic has more than `MAX_LETTERS` records, returns that number: an upper bound. Raises
        `UnavailableError`, `OperatorError` and `UnreadableError` as `LogReader.read` does.
        """
        async with open_log(config, dead_letter_topic(config)) as log:
            return await self._follow(log)

    async def _follow(self, log: LogReader) -> int:
        records = sum(extent.end - extent.beginning for extent in log.extents.values())
        shrank = any(extent.end < self._end(partition) for partition, extent in log.extents.items())
        if records > MAX_LETTERS or shrank:  # where the topic was recreated, what was read is of another one
            self._letters, self._redriven, self._read = {}, set(), {}
        if records > MAX_LETTERS:
            return records
        for partition, extent in log.extents.items():
            beginning = Offset(max(extent.beginning, self._end(partition)))
            async for portion in log.read(partition, Extent(beginning, extent.end)):
                for record in portion.records:
                    self._enter(partition, record)
            self._read[partition] = extent
        self._drop_deleted()
        return len(self._letters) - len(self._redriven)

    def _end(self, partition: Partition) -> Offset:
        read = self._read.get(partition)
        return Offset(0) if read is None else read.end

    def _enter(self, partition: Partition, record: Record) -> None:
        letter = parse_letter(partition, record)
        if letter is not None:
            self._letters[letter.origin] = letter.place
        else:
            # Only letters that exist: any client may write a note.
            self._redriven.update(self._letters.keys() & set(parse_note(record)))

    def _drop_deleted(self) -> None:
        beginnings = {partition.number: extent.beginning for partition, extent in self._read.items()}
        deleted = [
            origin for origin, place in self._letters.items() if place.offset < beginnings[place.partition]
        ]
        for origin in deleted:
            del self._letters[origin]
            self._redriven.discard(origin)
