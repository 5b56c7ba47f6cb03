"""Untrusted records in the topics that commands read: each is skipped without an error."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from hypothesis import example, given
from hypothesis import strategies as st

from headcount.cli.letters import print_letter, print_letter_json, print_overview
from headcount.cli.output import print_json
from headcount.ops.dead_letters.letters import NOTE, Letter, Origin, note_of, parse_note
from headcount.ops.dead_letters.overview import Ledger, Newest, Overview, Query, ReasonCount
from headcount.ops.dead_letters.redrive import again
from headcount.ops.dead_letters.redrive_plan import Selection, choose
from headcount.ops.log_check import lost_until
from ingest.batch import Offset, Partition
from ingest.events.decoding import LOG_APPEND_TIME, RecordDecoder
from ingest.events.event import Event
from ingest.events.instant import instant_of
from ingest.kafka.erasure_log import KafkaErasureLog
from ingest.kafka.log_reader import LogReader, Portion
from ingest.ports import Extent
from projector.activity_filter import COUNT_ALL
from projector.calendar import Calendar, bucket_of
from projector.fold import fold
from tests.support.fakes_log import NOW, FakeRecord

DLQ: Final = Partition("user-activity.dlq", 0)
YEAR_57864: Final = 1_763_000_000_000_000
"""A timestamp in microseconds, read as milliseconds."""
FACTS: Final = ("topic", "partition", "offset", "reason", "error", "value-bytes", "value-sha256", "key-bytes")
NAMES: Final = st.sampled_from([*(f"headcount-{fact}" for fact in FACTS), NOTE, "headcount-redriven"])

values = st.none() | st.binary(max_size=40) | st.from_regex(rb"[0-9]{1,20}", fullmatch=True)
headers = st.lists(st.tuples(NAMES | st.text(max_size=8), values), max_size=9)
letter_headers = st.lists(values, min_size=8, max_size=8).map(
    lambda facts: [(f"headcount-{name}", value) for name, value in zip(FACTS, facts, strict=True)]
)
notes = st.lists(st.lists(st.integers() | st.text(max_size=4), max_size=4), max_size=3).map(
    lambda document: json.dumps(document).encode()
)
records = st.builds(
    FakeRecord,
    value=values | notes,
    key=values,
    offset=st.integers(0, 2**63 - 1),
    timestamp=st.integers(-(2**63), 2**63 - 1),
    timestamp_type=st.sampled_from([0, LOG_APPEND_TIME]),
    headers=headers
    | letter_headers
    | st.tuples(letter_headers.map(lambda found: found[:5]), headers).map(lambda both: [*both[0], *both[1]])
    | st.just([(NOTE, b"redriven")]),
)


@given(st.lists(records, max_size=8))
@example([FakeRecord(value=b"not a note of ours", headers=[(NOTE, b"redriven")])])
@example([FakeRecord(value=b'{"foreign": true}', headers=[(NOTE, b"redriven")])])
@example([FakeRecord(value=b"[" * 100_000, headers=[(NOTE, b"redriven")])])
def test_any_record_among_the_letters_is_a_letter_a_note_or_neither(written: Sequence[FakeRecord]) -> None:
    ledger, newest = Ledger(), Newest(3)
    found: dict[Origin, Letter] = {}
    query = Query(reason=None, since=NOW - timedelta(days=1), limit=3)
    for record in written:
        letter = ledger.enter(DLQ, record)
        if letter is not None:
            query.matches(letter)
            newest.add(letter)
            found[letter.origin] = letter
            print_letter(letter)
            print_letter_json(letter)
            again(letter.key, letter.value, letter.headers)
            value, note = note_of([letter.origin])
            assert parse_note(FakeRecord(value=value, headers=note)) == [letter.origin]
    overview = Overview(
        reasons=[ReasonCount(reason=each, letters=1, redriven=0) for each in set(ledger.reasons.values())],
        letters=newest.lines(ledger.redriven),
    )
    print_overview(overview)
    print_json(overview)
    choose("user-activity", Selection(), ledger, found)


@given(st.lists(records, min_size=1, max_size=8))
@example([FakeRecord(timestamp=YEAR_57864)])
@example([FakeRecord(timestamp=YEAR_57864, timestamp_type=0)])
def test_any_record_of_the_log_is_an_event_or_a_dead_letter(written: Sequence[FakeRecord]) -> None:
    decoded = RecordDecoder(max_event_bytes=1_000).decode(DLQ, written, NOW)
    assert len(decoded.events) + len(decoded.letters) == len(written)


class FirstRecords(LogReader):
    """Gives the same records of every partition."""

    def __init__(self, extents: Mapping[Partition, Extent], found: Sequence[FakeRecord]) -> None:
        self.extents = extents
        self._found = found

    async def read(self, partition: Partition, span: Extent) -> Any:  # noqa: ANN401 - an asynchronous iterator
        assert partition in self.extents
        yield Portion(self._found, span.end)


@given(st.lists(records, max_size=3), st.sampled_from(["UTC", "Pacific/Kiritimati", "America/New_York"]))
@example([FakeRecord(timestamp=YEAR_57864)], "UTC")
def test_any_timestamp_leaves_a_day_until_which_the_log_may_lack_events(
    written: Sequence[FakeRecord], zone: str
) -> None:
    log = FirstRecords({DLQ: Extent(Offset(4), Offset(9))}, written)
    lost = asyncio.run(lost_until(log, [], NOW))
    assert lost is not None
    assert lost <= NOW + timedelta(minutes=5)
    Calendar(time_zone=ZoneInfo(zone), retention_days=400, bucket_retention_days=45).day_of(bucket_of(lost))


@given(st.integers(-(2**63), 2**63 - 1))
@example(YEAR_57864)
@example(253_402_300_799_999)
def test_any_timestamp_is_an_instant_with_room_for_a_zone_and_a_tolerance(timestamp: int) -> None:
    found = instant_of(timestamp)
    assert found + timedelta(minutes=5) > found
    assert found.astimezone(ZoneInfo("Pacific/Kiritimati")) == found


@given(records)
@example(FakeRecord(key=b"acme:1", value=b"[" * 100_000))
@example(FakeRecord(key=b"acme:1", value=b'{"action": "\xff"}'))
def test_any_record_of_the_erasure_log_is_an_erasure_or_says_nothing(record: FakeRecord) -> None:
    log = KafkaErasureLog("user-activity", {}, fingerprint="", clock=lambda: NOW)
    log._add(record)
    log._add(replace(record, key=b"acme:1"))


@given(st.datetimes(timezones=st.just(UTC)), st.none() | st.integers(-(2**63), 2**63 - 1))
def test_any_instant_of_an_event_is_counted_or_expired(occurred_at: datetime, stamp: int | None) -> None:
    event = Event(workspace_id="acme", occurred_at=occurred_at, type="message", user_id="anna")
    kept = Calendar(time_zone=ZoneInfo("UTC"), retention_days=400, bucket_retention_days=45)
    folded = fold([event], kept, COUNT_ALL, NOW, stamp=stamp)
    assert bool(folded.additions) is not bool(folded.expired)
