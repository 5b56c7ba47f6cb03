"""The sorting of a partition's records into events to count and dead letters."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from ingest.batch import Partition
from ingest.event import Event, NotAnEventError, decode
from ingest.ports import DeadLetter, Record

FUTURE_TOLERANCE: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Sorted:
    """Every record is in exactly one of the two."""

    events: list[Event] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sorter:
    """Holds a record to its limits; `max_event_bytes` is the most that a value may have."""

    max_event_bytes: int

    def sort(self, partition: Partition, records: Iterable[Record], now: datetime) -> Sorted:
        """Decode every record, none raising; `now` is aware."""
        result = Sorted()
        horizon = now + FUTURE_TOLERANCE
        for record in records:
            try:
                result.events.append(self._event(record.value, horizon))
            except NotAnEventError as error:  # a try costs nothing until it raises
                letter = DeadLetter(partition=partition, record=record, reason=error.reason, error=str(error))
                result.letters.append(letter)
        return result

    def _event(self, value: bytes | None, horizon: datetime) -> Event:
        if value is None:
            raise NotAnEventError("no-value", "the record has no value")
        if len(value) > self.max_event_bytes:
            raise NotAnEventError(
                "too-large", f"{len(value)} bytes, at most {self.max_event_bytes} are allowed"
            )
        event = decode(value)
        if event.occurred_at > horizon:
            raise NotAnEventError(
                "in-the-future", f"occurred_at is ahead of the clock by more than {FUTURE_TOLERANCE}"
            )
        return event
