"""The dead letter as it is read back: what it says of its record, and the notes on what became of letters."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, NamedTuple

import msgspec

from ingest.batch import Partition
from ingest.ports import Record

REDRIVEN: Final = "headcount-redriven"
"""Header of a redriven record: how often it was published again."""
NOTE: Final = "headcount-note"
"""First header of a note; a letter's is `headcount-topic`, whatever its record's own headers are."""

_FACTS: Final = tuple(f"headcount-{fact}" for fact in ("topic", "partition", "offset", "reason", "error"))
_ABRIDGED_FACTS: Final = tuple(f"headcount-{fact}" for fact in ("value-bytes", "value-sha256", "key-bytes"))
_LAST_MILLISECOND: Final = 253_402_300_799_999
"""The last of the year 9999: where a producer sets the timestamps, they may be anything."""
_is_count = re.compile(rb"[0-9]{1,4}").fullmatch


class Place(NamedTuple):
    """Where a letter is in the dead-letter topic. Its text form is what an operator types."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}:{self.offset}"


class Origin(NamedTuple):
    """The record that a letter is about.

    The timestamp, in ms, tells it from a record at the same place in a topic of the same name before.
    """

    partition: int
    offset: int
    timestamp: int

    def __str__(self) -> str:
        return f"{self.partition}:{self.offset}"

    @property
    def instant(self) -> datetime:
        """When the record came into its log."""
        return datetime.fromtimestamp(min(max(self.timestamp, 0), _LAST_MILLISECOND) / 1000, UTC)


@dataclass(frozen=True, slots=True)
class Whole:
    """What is known of the value of which an abridged letter carries only the beginning."""

    value_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A letter, with the record's own key, value and headers; `whole` is None where the value is all there.

    `redrives` tells how often the record had been published again when it became this letter.
    """

    place: Place
    topic: str
    origin: Origin
    reason: str
    error: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]
    whole: Whole | None
    redrives: int

    @property
    def value_bytes(self) -> int:
        """The size of the record's value."""
        return self.whole.value_bytes if self.whole else len(self.value or b"")

    def without_value(self) -> "Letter":
        """Return what is worth keeping of many letters."""
        return replace(self, key=None, value=None, headers=())


def parse_letter(partition: Partition, record: Record) -> Letter | None:
    """Read a record of the dead-letter topic; None where it is no letter.

    Our headers are known by their places: a record's own may bear the same names.
    """
    names = tuple(name for name, _ in record.headers)
    if names[: len(_FACTS)] != _FACTS:
        return None
    topic, number, offset, reason, error = (_text(value) for _, value in record.headers[: len(_FACTS)])
    is_abridged = names[len(_FACTS) :] == _ABRIDGED_FACTS
    own_headers = () if is_abridged else record.headers[len(_FACTS) :]
    return Letter(
        place=Place(partition.number, record.offset),
        topic=topic,
        origin=Origin(int(number), int(offset), record.timestamp),
        reason=reason,
        error=error,
        key=record.key,
        value=record.value,
        headers=own_headers,
        whole=_whole(record.headers[len(_FACTS) :]) if is_abridged else None,
        redrives=redrives(own_headers),
    )


def redrives(headers: Iterable[tuple[str, bytes]]) -> int:
    """Tell how often a record with these headers was published again."""
    count = dict(headers).get(REDRIVEN) or b""
    return int(count) if _is_count(count) else 0  # anybody may have written it


def note_of(origins: Iterable[Origin]) -> tuple[bytes, list[tuple[str, bytes]]]:
    """Return value and headers of a note that the letters about these records were redriven."""
    return msgspec.json.encode(list(origins)), [(NOTE, b"redriven")]


def parse_note(record: Record) -> Sequence[Origin]:
    """Return the records that a note says were redriven; none where it is no note."""
    if not record.headers or record.headers[0] != (NOTE, b"redriven"):
        return ()
    return msgspec.json.decode(record.value or b"[]", type=list[Origin])


def _whole(headers: Sequence[tuple[str, bytes]]) -> Whole:
    (_, value_bytes), (_, sha256), _ = headers
    return Whole(int(value_bytes), _text(sha256))


def _text(value: bytes) -> str:
    return value.decode(errors="replace")
