"""Decodes a partition's records into events to count and dead letters."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Final, TypeAlias

from ingest.batch import Partition
from ingest.events.cloudevents import decode_with_headers
from ingest.events.event import Event, NotAnEventError, are_events, decode_all
from ingest.events.instant import instant_of
from ingest.ports import DeadLetter, Record

FUTURE_TOLERANCE: Final = timedelta(minutes=5)
LOG_APPEND_TIME: Final = 1
"""Kafka's number for record timestamps that are set by the broker instead of the producer."""

_headers = attrgetter("headers")
_timestamp = attrgetter("timestamp")
_timestamp_type = attrgetter("timestamp_type")
_occurred_at = attrgetter("occurred_at")

Outcome: TypeAlias = Event | NotAnEventError


@dataclass(frozen=True, slots=True)
class DecodedRecords:
    """Every record is in exactly one of the two sequences, in the order of the log."""

    events: Sequence[Event]
    letters: Sequence[DeadLetter]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordDecoder:
    """Decodes and validates records; `max_event_bytes` limits the size of a value."""

    max_event_bytes: int

    def decode(self, partition: Partition, records: Sequence[Record], now: datetime) -> DecodedRecords:
        """Decode every record; those that are not events become dead letters. `now` is aware."""
        outcomes = self._decode(records)
        if are_events(outcomes) and _latest(outcomes, now) <= _earliest_horizon(records, now):
            return DecodedRecords(outcomes, [])  # the usual case, without each record's own horizon
        outcomes = [
            _check_horizon(horizon(record, now), outcome)
            for record, outcome in zip(records, outcomes, strict=True)
        ]
        events = [outcome for outcome in outcomes if isinstance(outcome, Event)]
        return DecodedRecords(events, list(_letters(partition, records, outcomes)))

    def _decode(self, records: Sequence[Record]) -> Sequence[Outcome]:
        values = [record.value for record in records if record.value is not None]
        if len(values) == len(records) and not any(map(_headers, records)) and not self._too_large(values):
            return decode_all(values)
        special = {
            index: self._outcome(record)
            for index, record in enumerate(records)
            if record.headers or record.value is None or self._too_large([record.value])
        }
        values = [
            record.value
            for index, record in enumerate(records)
            if record.value is not None and index not in special
        ]
        rest = iter(decode_all(values))
        return [special.get(index) or next(rest) for index in range(len(records))]

    def _too_large(self, values: Iterable[bytes]) -> bool:
        return max(map(len, values), default=0) > self.max_event_bytes

    def _outcome(self, record: Record) -> Outcome:
        try:
            return self._event(record)
        except NotAnEventError as error:
            return error

    def _event(self, record: Record) -> Event:
        if record.value is None:
            raise NotAnEventError("no-value", "the record has no value")
        if len(record.value) > self.max_event_bytes:
            raise NotAnEventError(
                "too-large", f"{len(record.value)} bytes, at most {self.max_event_bytes} are allowed"
            )
        return decode_with_headers(record.value, record.headers)


def _letters(
    partition: Partition, records: Iterable[Record], outcomes: Iterable[Outcome]
) -> Iterator[DeadLetter]:
    for record, outcome in zip(records, outcomes, strict=True):
        if isinstance(outcome, NotAnEventError):
            yield DeadLetter(partition=partition, record=record, reason=outcome.reason, error=str(outcome))


def horizon(record: Record, now: datetime) -> datetime:
    """Return the latest `occurred_at` that is accepted for the record.

    It is relative to the record's timestamp if the broker set that, so that every reading of the log has the
    same result on any worker's clock. A producer's timestamp is not trusted: then `now` is used.
    """
    if _is_stamped_by_broker(record):
        return instant_of(record.timestamp) + FUTURE_TOLERANCE
    return now + FUTURE_TOLERANCE


def _latest(events: Iterable[Event], now: datetime) -> datetime:
    return max(map(_occurred_at, events), default=now)


def _earliest_horizon(records: Sequence[Record], now: datetime) -> datetime:
    types = set(map(_timestamp_type, records))
    if LOG_APPEND_TIME not in types:
        return now + FUTURE_TOLERANCE
    stamped = records if len(types) == 1 else [each for each in records if _is_stamped_by_broker(each)]
    # Of all, not the first: timestamps decrease if a new leader's clock is behind the previous one's.
    earliest = instant_of(min(map(_timestamp, stamped)))
    return min(earliest, now) + FUTURE_TOLERANCE


def _is_stamped_by_broker(record: Record) -> bool:
    return record.timestamp_type == LOG_APPEND_TIME


def _check_horizon(latest: datetime, outcome: Outcome) -> Outcome:
    if isinstance(outcome, Event) and outcome.occurred_at > latest:
        return NotAnEventError(
            "in-the-future", f"occurred_at is ahead of the clock by more than {FUTURE_TOLERANCE}"
        )
    return outcome
