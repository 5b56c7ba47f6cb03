"""The dead letters of a deployment as an operator sees them: lists, counts and single letters."""

import heapq
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from headcount.ops.dead_letters.letters import Letter, Origin, Place, parse_letter, parse_note
from headcount.preflight.connections import open_log
from headcount.wiring import Config
from ingest.batch import Offset, Partition
from ingest.errors import OperatorError
from ingest.events.instant import instant_of
from ingest.kafka.dead_letters import DEAD_LETTER_SUFFIX
from ingest.kafka.log_reader import LogReader
from ingest.ports import Extent, Record


class Ledger:
    """The letters and redrives found in one reading of the dead-letter topic.

    When workers read a log again, they publish the same letters again, so a letter is identified by its
    record. Memory grows with the number of letters, by a few hundred bytes each.
    """

    def __init__(self) -> None:
        self.reasons: dict[Origin, str] = {}
        self.redriven: set[Origin] = set()

    def enter(self, partition: Partition, record: Record) -> Letter | None:
        """Add a record of the topic; return its letter unless it is a duplicate or not a letter."""
        letter = parse_letter(partition, record)
        if letter is None:
            self.redriven.update(parse_note(record))
        elif letter.origin not in self.reasons:
            self.reasons[letter.origin] = letter.reason
            return letter
        return None

    async def read(
        self, log: LogReader, extents: Mapping[Partition, Extent], on_letter: Callable[[Letter], None]
    ) -> None:
        """Read the topic, and call `on_letter` for each letter that is not a duplicate."""
        for partition, extent in extents.items():
            async for portion in log.read(partition, extent):
                for record in portion.records:
                    letter = self.enter(partition, record)
                    if letter is not None:
                        on_letter(letter)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A letter in a list. `redriven` is whether its record was redriven since then.

    `redrives` is how often it had been redriven before.
    """

    letter: str
    source: str
    reason: str
    error: str
    at: datetime
    value_bytes: int
    redrives: int
    redriven: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonCount:
    """The number of letters for a reason, and how many of them were redriven."""

    reason: str
    letters: int
    redriven: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The counts of all letters that match a query, and the newest of them, newest first."""

    reasons: Sequence[ReasonCount]
    letters: Sequence[Line]


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A selection of letters; `since` is the earliest instant at which they were written.

    The record's timestamp is used instead if it is later. It alone does not suffice: producers may set any
    timestamp, so that a letter of today may be about a record of 1970.
    """

    reason: str | None
    since: datetime | None
    limit: int

    def matches(self, letter: Letter) -> bool:
        """Return whether the letter is selected."""
        is_recent = self.since is None or _newest_instant(letter) >= self.since
        return is_recent and self.reason in {None, letter.reason}


class Newest:
    """Keeps the newest of the letters that are added."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._heap: list[tuple[int, Place, Origin, Line]] = []

    def add(self, letter: Letter) -> None:
        heapq.heappush(self._heap, (letter.written, letter.place, letter.origin, _line(letter)))
        if len(self._heap) > self._limit:
            heapq.heappop(self._heap)

    def lines(self, redriven: set[Origin]) -> list[Line]:
        """Return the letters, newest first."""
        newest = sorted(self._heap, reverse=True)
        return [replace(line, redriven=origin in redriven) for *_, origin, line in newest]


def dead_letter_topic(config: Config) -> str:
    """Return the name of the dead-letter topic."""
    return config.kafka.topic + DEAD_LETTER_SUFFIX


async def list_letters(config: Config, query: Query) -> Overview:
    """Read the dead-letter topic once; raises `UnavailableError`."""
    ledger, newest, counted = Ledger(), Newest(query.limit), set[Origin]()

    def add(letter: Letter) -> None:
        if query.matches(letter):
            counted.add(letter.origin)
            newest.add(letter)

    async with open_log(config, dead_letter_topic(config)) as log:
        await ledger.read(log, await log.since(query.since) if query.since else log.extents, add)
    return Overview(reasons=_count(ledger, counted), letters=newest.lines(ledger.redriven))


async def find_letter(config: Config, place: Place) -> Letter:
    """Return the letter at a position; raises `OperatorError` if there is none."""
    partition = Partition(dead_letter_topic(config), place.partition)
    async with open_log(config, partition.topic) as log:
        check_partition(log, place)
        record = await log.find(partition, Offset(place.offset))
    letter = parse_letter(partition, record) if record else None
    if letter is None:
        raise no_letter(place)
    return letter


def check_partition(log: LogReader, place: Place) -> None:
    """Raise `OperatorError` if the dead-letter topic lacks the partition."""
    if place.partition not in {partition.number for partition in log.extents}:
        topic = next(iter(log.extents)).topic
        raise OperatorError(
            f"{topic} has no partition {place.partition}: it has {len(log.extents)}, numbered from 0."
        )


def no_letter(place: Place) -> OperatorError:
    """Return the error for a position without a letter."""
    return OperatorError(f"There is no dead letter at {place}; see: headcount dead-letters list")


def _count(ledger: Ledger, origins: set[Origin]) -> list[ReasonCount]:
    letters = Counter(ledger.reasons[origin] for origin in origins)
    redriven = Counter(ledger.reasons[origin] for origin in origins & ledger.redriven)
    return [
        ReasonCount(reason=reason, letters=number, redriven=redriven[reason])
        for reason, number in letters.most_common()
    ]


def _newest_instant(letter: Letter) -> datetime:
    return instant_of(max(letter.written, letter.origin.timestamp))


def _line(letter: Letter) -> Line:
    return Line(
        letter=str(letter.place),
        source=str(letter.origin),
        reason=letter.reason,
        error=letter.error,
        at=letter.origin.instant,
        value_bytes=letter.value_bytes,
        redrives=letter.redrives,
    )
