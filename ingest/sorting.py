"""The sorting of a partition's records into events to count and dead letters."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from ingest.batch import Partition
from ingest.cloud_events import decode_with_headers
from ingest.event import Event, NotAnEventError, decode
from ingest.ports import DeadLetter, Record

FUTURE_TOLERANCE: Final = timedelta(minutes=5)
LOG_APPEND_TIME: Final = 1
"""Kafka's number for a record's timestamp that the broker set, and not the producer."""


@dataclass(frozen=True, slots=True)
class Sorted:
    """Every record is in exactly one of the two."""

    events: list[Event] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sorter:
    """Holds a record to its limits; `max_event_bytes` is the most that a value may have."""

    max_event_bytes: int

    def sort(self, partition: Partition, records: Sequence[Record], now: datetime) -> Sorted:
        """Decode every record, none raising; `now` is aware."""
        result = Sorted()
        earliest = _earliest_horizon(records, now)
        for record in records:
            try:
                event = self._event(record)
                if event.occurred_at > earliest:  # most need no look at their own record's horizon
                    _check_horizon(event, horizon(record, now))
                result.events.append(event)
            except NotAnEventError as error:
                letter = DeadLetter(partition=partition, record=record, reason=error.reason, error=str(error))
                result.letters.append(letter)
        return result

    def _event(self, record: Record) -> Event:
        value = record.value
        if value is None:
            raise NotAnEventError("no-value", "the record has no value")
        if len(value) > self.max_event_bytes:
            raise NotAnEventError(
                "too-large", f"{len(value)} bytes, at most {self.max_event_bytes} are allowed"
            )
        return decode_with_headers(value, record.headers) if record.headers else decode(value)


def horizon(record: Record, now: datetime) -> datetime:
    """Return the latest instant that an event in the record may tell.

    Where the broker stamped the record, its stamp is the clock: the verdict is then the same at every reading
    of the log, and no worker's clock matters. A producer's stamp is not believed: there `now` is the clock.
    """
    if record.timestamp_type == LOG_APPEND_TIME:
        return datetime.fromtimestamp(record.timestamp / 1000, UTC) + FUTURE_TOLERANCE
    return now + FUTURE_TOLERANCE


def _earliest_horizon(records: Iterable[Record], now: datetime) -> datetime:
    # Of all records and not the first: stamps go back where a leader's clock is behind the one's before.
    stamps = [record.timestamp for record in records if record.timestamp_type == LOG_APPEND_TIME]
    earliest = min(datetime.fromtimestamp(min(stamps) / 1000, UTC), now) if stamps else now
    return earliest + FUTURE_TOLERANCE


def _check_horizon(event: Event, latest: datetime) -> None:
    if event.occurred_at > latest:
        raise NotAnEventError(
            "in-the-future", f"occurred_at is ahead of the clock by more than {FUTURE_TOLERANCE}"
        )
