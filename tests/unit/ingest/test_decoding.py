"""Decoding of records: limits before the schema, and events ahead of the clock."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.batch import Partition
from ingest.events.decoding import FUTURE_TOLERANCE, LOG_APPEND_TIME, RecordDecoder
from tests.support.fakes_log import NOW, FakeRecord
from tests.support.pipeline import event

PARTITION = Partition("user-activity", 3)
CREATE_TIME = 0
SECOND = timedelta(seconds=1)


def reasons(*records: FakeRecord, max_event_bytes: int = 1_000, now: datetime = NOW) -> Sequence[str]:
    decoder = RecordDecoder(max_event_bytes=max_event_bytes)
    return [letter.reason for letter in decoder.decode(PARTITION, records, now).letters]


def at(instant: datetime) -> FakeRecord:
    return event("alice", occurred_at=instant.isoformat())


def stamped(record: FakeRecord, instant: datetime) -> FakeRecord:
    """Have the broker stamp a record."""
    return replace(record, timestamp=int(instant.timestamp() * 1000), timestamp_type=LOG_APPEND_TIME)


def stamped_by_producer(record: FakeRecord, instant: datetime) -> FakeRecord:
    return replace(stamped(record, instant), timestamp_type=CREATE_TIME)


def test_a_record_without_a_value_has_its_reason() -> None:
    assert reasons(FakeRecord(key=b"k")) == ["no-value"]


def test_a_value_may_have_as_many_bytes_as_the_limit_and_no_more() -> None:
    record = event("alice")
    assert record.value is not None
    assert reasons(record, max_event_bytes=len(record.value)) == []
    assert reasons(record, max_event_bytes=len(record.value) - 1) == ["too-large"]


def test_a_value_too_large_is_not_even_read() -> None:
    assert reasons(FakeRecord(value=b"[" * 1_001)) == ["too-large"]


def test_an_event_ahead_of_the_brokers_timestamp_is_in_the_future() -> None:
    record = at(NOW + FUTURE_TOLERANCE)
    assert reasons(stamped(record, NOW)) == []
    assert reasons(stamped(record, NOW - SECOND)) == ["in-the-future"]


@pytest.mark.parametrize("years", [-10, 10])
def test_with_the_brokers_timestamp_every_reading_has_the_same_result(years: int) -> None:
    elsewhere = NOW + timedelta(days=365 * years)
    late, early = stamped(at(NOW), NOW), stamped(at(NOW), NOW - FUTURE_TOLERANCE - SECOND)
    assert reasons(late, early, now=elsewhere) == ["in-the-future"]


def test_a_producers_timestamp_is_not_trusted() -> None:
    far = NOW + timedelta(days=400)
    assert reasons(stamped_by_producer(at(far), far)) == ["in-the-future"]
    assert reasons(stamped_by_producer(at(NOW + FUTURE_TOLERANCE), far)) == []
    assert reasons(stamped_by_producer(at(NOW), NOW - timedelta(days=400))) == []


def test_a_producers_timestamp_among_brokers_may_have_any_value() -> None:
    later = NOW + timedelta(hours=1)
    wild = replace(at(NOW), timestamp=-(10**17), timestamp_type=CREATE_TIME)
    assert reasons(stamped(at(NOW), NOW), wild) == []
    assert reasons(stamped(at(NOW), NOW), wild, stamped(at(later), NOW)) == ["in-the-future"]


def test_each_record_is_compared_with_its_own_timestamp() -> None:
    later = NOW + timedelta(hours=1)
    assert reasons(stamped(at(NOW), NOW), stamped(at(later), later)) == []
    assert reasons(stamped(at(NOW), NOW), stamped(at(later), NOW)) == ["in-the-future"]


def test_a_first_record_without_an_event_does_not_matter() -> None:
    later = NOW + timedelta(hours=1)
    assert reasons(stamped(FakeRecord(value=b"x"), NOW), stamped(at(later), later)) == ["not-json"]


def test_no_records_decode_to_nothing() -> None:
    assert reasons() == []


@given(st.lists(st.sampled_from([event("a"), event("b"), FakeRecord(), FakeRecord(value=b"x")])))
def test_each_record_is_in_exactly_one_place_and_in_order(records: list[FakeRecord]) -> None:
    numbered = [replace(record, offset=offset) for offset, record in enumerate(records)]
    result = RecordDecoder(max_event_bytes=1_000).decode(PARTITION, numbered, NOW)
    letters = [record for record in numbered if record.value in {None, b"x"}]
    assert [letter.record for letter in result.letters] == letters
    assert {letter.partition for letter in result.letters} <= {PARTITION}
    assert len(result.events) == len(numbered) - len(letters)
