"""Redriving: publishes the records of dead letters again, to the partitions they came from.

A note in the dead-letter topic itself, after the letters, records what was redriven: it is kept as long as
the letters, and every reader of the letters reads it, too.
"""

import hashlib
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from aiokafka.errors import KafkaError

from headcount.clients import kafka_options
from headcount.ops.dead_letters.letters import REDRIVEN, Letter, Place, note_of, parse_letter, redrives
from headcount.ops.dead_letters.overview import dead_letter_topic
from headcount.preflight.connections import open_log
from headcount.wiring import Config
from ingest.batch import Offset, Partition
from ingest.errors import UnavailableError
from ingest.kafka.log_reader import LogReader, Portion
from ingest.kafka.producer import TOO_LARGE, KafkaProducer, Message, open_producer
from ingest.ports import Extent, Headers, Record

REQUEST_BYTES: Final = 100_000_000
"""The limit of the producer: only the broker may find a record too large, since it accepted it once."""
REQUEST_MILLISECONDS: Final = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The number of letters that were redriven, and why the others were not, by position."""

    redriven: int
    left_out: dict[str, str]


class Redrive:
    """One redrive to `topic`; `done` counts the letters processed so far."""

    def __init__(self, topic: str, *, letters: LogReader, source: LogReader, producer: KafkaProducer) -> None:
        self.done = 0
        self._topic = topic
        self._letters = letters
        self._source = source
        self._producer = producer
        self._redriven = 0
        self._left_out: dict[str, str] = {}

    async def run(self, places: frozenset[Place]) -> Outcome:
        """Redrive the letters at these positions; raises `UnavailableError`."""
        for partition in self._letters.extents:
            offsets = [place.offset for place in places if place.partition == partition.number]
            if offsets:
                span = Extent(Offset(min(offsets)), Offset(max(offsets) + 1))
                async for portion in self._letters.read(partition, span):
                    await self._redrive(partition, [*_letters(partition, portion, places)])
        return Outcome(redriven=self._redriven, left_out=self._left_out)

    async def _redrive(self, partition: Partition, letters: Sequence[Letter]) -> None:
        published = await self._publish(letters)
        if published:
            # After the records: after a crash in between, they are redriven again, and counted once all the
            # same. In the other order they might never be redriven.
            value, headers = note_of(letter.origin for letter in published)
            await self._republish([(partition, Message(None, value, headers))])
        self._redriven += len(published)
        self.done += len(letters)

    async def _publish(self, letters: Sequence[Letter]) -> list[Letter]:
        """Publish the records of the letters; return the letters whose records are acknowledged."""
        records = [(letter, message) for letter in letters if (message := await self._message(letter))]
        acknowledged = await self._republish(
            [(Partition(self._topic, letter.origin.partition), message) for letter, message in records]
        )
        published = []
        for (letter, _), is_published in zip(records, acknowledged, strict=True):
            if is_published:
                published.append(letter)
            else:
                self._left_out[str(letter.place)] = f"Its record is too large for {self._topic}."
        return published

    async def _republish(self, messages: Sequence[tuple[Partition, Message]]) -> list[bool]:
        """Publish messages, and return which are acknowledged; the others are too large for the broker.

        Raises `UnavailableError`; any of the messages may be published then.
        """
        records = []
        try:
            for partition, message in messages:
                known = await self._producer.partitions_of(partition.topic)
                # To the same partition, which keeps the order of records with the same key.
                number = partition.number if partition.number in known else None
                records.append((partition.topic, number, message))
        except KafkaError as error:
            raise _not_accepted(error) from error
        outcomes = await self._producer.publish(records)
        for outcome in outcomes:
            if outcome is not None and not isinstance(outcome, TOO_LARGE):
                raise _not_accepted(outcome) from outcome
        return [outcome is None for outcome in outcomes]

    async def _message(self, letter: Letter) -> Message | None:
        """Return the record to publish again, None if it is no longer available."""
        if letter.whole is None:
            return again(letter.key, letter.value, letter.headers)
        partition = Partition(self._topic, letter.origin.partition)
        record = await self._source.find(partition, Offset(letter.origin.offset))
        if record is not None and is_whole(letter, record):
            return again(record.key, record.value, record.headers)
        self._left_out[str(letter.place)] = (
            f"It holds only the beginning of its record, and {self._topic} no longer has the record."
        )
        return None


@asynccontextmanager
async def open_redrive(config: Config) -> AsyncIterator[Redrive]:
    """Connect to Kafka; raises `UnavailableError` if it can't be reached."""
    topic = config.kafka.topic
    async with (
        open_log(config, dead_letter_topic(config)) as letters,
        open_log(config, topic) as source,
        open_producer(
            kafka_options(config),
            name="redrive",
            request_milliseconds=REQUEST_MILLISECONDS,
            max_request_size=REQUEST_BYTES,
        ) as producer,
    ):
        yield Redrive(topic, letters=letters, source=source, producer=producer)


def again(key: bytes | None, value: bytes | None, headers: Headers) -> Message:
    """Return the record unchanged except for its number of redrives, which is incremented."""
    others = [header for header in headers if header[0] != REDRIVEN]
    return Message(key, value, [*others, (REDRIVEN, str(redrives(headers) + 1).encode())])


def is_whole(letter: Letter, record: Record) -> bool:
    """Return whether a record is the one whose beginning an abridged letter holds."""
    digest = hashlib.sha256(record.value or b"").hexdigest()
    return letter.whole is not None and digest == letter.whole.sha256


def _letters(partition: Partition, portion: Portion, places: frozenset[Place]) -> Iterable[Letter]:
    for record in portion.records:
        if Place(partition.number, record.offset) in places:
            letter = parse_letter(partition, record)
            if letter is not None:
                yield letter


def _not_accepted(error: BaseException) -> UnavailableError:
    return UnavailableError(f"Kafka did not accept the records: {error!r}")
