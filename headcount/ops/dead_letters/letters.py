"""Parses dead letters, and the notes in the dead-letter topic on letters that were redriven."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, NamedTuple

import msgspec

from ingest.batch import Partition
from ingest.events.event import MALFORMED
from ingest.events.instant import instant_of
from ingest.ports import Headers, Record

REDRIVEN: Final = "headcount-redriven"
"""Header of a redriven record: the number of times it was redriven."""
NOTE: Final = "headcount-note"
"""First header of a note; that of a letter is `headcount-topic`, whatever headers its record has."""

_FACTS: Final = tuple(
    f"headcount-{fact}" for fact in ("topic", "partition", "offset", "timestamp", "reason", "error")
)
_FACTS_WITHOUT_TIMESTAMP: Final = tuple(fact for fact in _FACTS if fact != "headcount-timestamp")
"""The headers of letters of earlier versions, whose own timestamp is that of the record."""
_ABRIDGED_FACTS: Final = tuple(f"headcount-{fact}" for fact in ("value-bytes", "value-sha256", "key-bytes"))
_is_count = re.compile(rb"[0-9]{1,4}").fullmatch
_is_number = re.compile(r"[0-9]{1,19}").fullmatch
_is_timestamp = re.compile(r"[0-9]{1,19}|-[0-9]{1,18}").fullmatch


class Place(NamedTuple):
    """The position of a letter in the dead-letter topic. Operators type its text form."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}:{self.offset}"


class Origin(NamedTuple):
    """The position of the record that a letter is about.

    The timestamp, in ms, distinguishes it from a record at the same offset of an earlier topic of that name.
    """

    partition: int
    offset: int
    timestamp: int

    def __str__(self) -> str:
        return f"{self.partition}:{self.offset}"

    @property
    def instant(self) -> datetime:
        """The timestamp of the record."""
        return instant_of(self.timestamp)


@dataclass(frozen=True, slots=True)
class Whole:
    """The size and digest of the whole value of which an abridged letter holds only the beginning."""

    value_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A letter, with the record's own key, value and headers; `whole` is None if the value is complete.

    `redrives` is how often the record had been redriven when it became this letter. `written` is the letter's
    own timestamp, in ms.
    """

    place: Place
    topic: str
    origin: Origin
    written: int
    reason: str
    error: str
    key: bytes | None
    value: bytes | None
    headers: Headers
    whole: Whole | None
    redrives: int

    @property
    def value_bytes(self) -> int:
        """The size of the record's value."""
        return self.whole.value_bytes if self.whole else len(self.value or b"")

    def without_value(self) -> "Letter":
        """Return the letter without key, value and headers, to save memory."""
        return replace(self, key=None, value=None, headers=())


def parse_letter(partition: Partition, record: Record) -> Letter | None:
    """Parse a record of the dead-letter topic; None if it is not a letter, since any client may write there.

    The first headers are those of the letter: the record's own headers may have the same names.
    """
    facts, others = _facts(record)
    if facts is None:
        return None
    topic, number, offset, timestamp, reason, error = facts
    if not (_is_number(number) and _is_number(offset) and _is_timestamp(timestamp)):
        return None
    whole = _whole(others)
    own_headers = () if whole else others
    return Letter(
        place=Place(partition.number, record.offset),
        topic=topic,
        origin=Origin(int(number), int(offset), int(timestamp)),
        written=record.timestamp,
        reason=reason,
        error=error,
        key=record.key,
        value=record.value,
        headers=own_headers,
        whole=whole,
        redrives=redrives(own_headers),
    )


def redrives(headers: Headers) -> int:
    """Return how often a record with these headers was redriven."""
    count = dict(headers).get(REDRIVEN) or b""
    return int(count) if _is_count(count) else 0  # any client may have written it


def note_of(origins: Iterable[Origin]) -> tuple[bytes, Headers]:
    """Return the value and headers of a note that the letters of these records were redriven."""
    return msgspec.json.encode(list(origins)), [(NOTE, b"redriven")]


def parse_note(record: Record) -> Sequence[Origin]:
    """Return the records that a note lists as redriven, none if it is not a valid note."""
    if not record.headers or record.headers[0] != (NOTE, b"redriven"):
        return ()
    try:
        return msgspec.json.decode(record.value or b"[]", type=list[Origin])
    except MALFORMED:
        return ()


def _facts(record: Record) -> tuple[Sequence[str] | None, Headers]:
    """Return the values of the letter's headers, or None if they are missing, and the headers after them."""
    headers = record.headers
    facts = _texts(headers[: len(_FACTS)], _FACTS)
    if facts is not None:
        return facts, headers[len(_FACTS) :]
    size = len(_FACTS_WITHOUT_TIMESTAMP)
    found = _texts(headers[:size], _FACTS_WITHOUT_TIMESTAMP)
    if found is None:
        return None, headers
    topic, number, offset, reason, error = found
    return [topic, number, offset, str(record.timestamp), reason, error], headers[size:]


def _whole(headers: Headers) -> Whole | None:
    """Parse the headers of an abridged letter; None if it is not abridged."""
    facts = _texts(headers, _ABRIDGED_FACTS)
    if facts is None or not _is_number(facts[0]):
        return None
    return Whole(int(facts[0]), facts[1])


def _texts(headers: Headers, names: tuple[str, ...]) -> Sequence[str] | None:
    """Return the values of headers with exactly these names; None for others, or if a value is null."""
    texts = [value.decode(errors="replace") for _, value in headers if value is not None]
    found = tuple(name for name, _ in headers)
    return texts if found == names and len(texts) == len(names) else None
