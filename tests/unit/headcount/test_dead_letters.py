"""Dead letters as an operator sees them, without a Kafka: what is read back, chosen and shown."""

from datetime import UTC, datetime, timedelta

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from headcount.cli.dead_letters import parse_place, parse_reason
from headcount.cli.letters import beginning_of, printable
from headcount.ops.dead_letters.letters import (
    REDRIVEN,
    Letter,
    Origin,
    Place,
    note_of,
    parse_letter,
    parse_note,
)
from headcount.ops.dead_letters.overview import Ledger, Newest, Query
from headcount.ops.dead_letters.redrive import again, is_whole
from headcount.ops.dead_letters.redrive_plan import MAX_REDRIVES, Selection, choose
from ingest.batch import Partition
from ingest.events.event import DeadLetterReason
from ingest.kafka.dead_letters import abridged, fitting
from ingest.kafka.producer import Message
from ingest.ports import DeadLetter
from tests.support.fakes_log import NOW, FakeRecord

DLQ = Partition("user-activity.dlq", 0)
SOURCE = Partition("user-activity", 2)
TIMESTAMP = int(NOW.timestamp() * 1000)


def dead(record: FakeRecord, reason: DeadLetterReason = "not-json") -> DeadLetter:
    return DeadLetter(partition=SOURCE, record=record, reason=reason, error="it is wrong")


def kept(message: Message, offset: int = 0, timestamp: int = TIMESTAMP) -> FakeRecord:
    """Return a message as the topic gives it back."""
    headers = tuple(message.headers)
    return FakeRecord(
        key=message.key, value=message.value, headers=headers, offset=offset, timestamp=timestamp
    )


def letter(
    offset: int = 7, *, at: int = 0, reason: DeadLetterReason = "not-json", redrives: int = 0
) -> Letter:
    """Return the letter at `at` about the record at `offset`."""
    headers = [(REDRIVEN, str(redrives).encode())] if redrives else []
    record = FakeRecord(value=b"v", offset=offset, headers=headers)
    found = parse_letter(DLQ, kept(fitting(dead(record, reason)), at))
    assert found is not None
    return found


def changed(name: str, value: bytes | None) -> FakeRecord:
    """Return a letter with another value in one of Headcount's headers."""
    message = fitting(dead(FakeRecord(value=b"v")))
    headers = [(each, value if each == name else before) for each, before in message.headers]
    return kept(Message(message.key, message.value, headers))


headers = st.lists(
    st.tuples(
        st.sampled_from(["headcount-topic", "headcount-value-bytes", REDRIVEN, "h"]),
        st.none() | st.binary(max_size=9),
    )
)


@given(st.none() | st.binary(max_size=99), st.none() | st.binary(max_size=99), headers)
def test_a_letter_gives_its_record_back(
    key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes | None]]
) -> None:
    """Whatever headers the record has of its own, those with our names too."""
    record = FakeRecord(key=key, value=value, headers=headers, offset=41)
    found = parse_letter(DLQ, kept(fitting(dead(record)), 5))
    assert found is not None
    assert (found.key, found.value, list(found.headers), found.whole) == (key, value, headers, None)
    assert (found.place, found.topic, found.origin) == (
        Place(0, 5),
        "user-activity",
        Origin(2, 41, TIMESTAMP),
    )
    assert (found.reason, found.error) == ("not-json", "it is wrong")


def test_an_abridged_letter_knows_its_record_when_it_sees_it() -> None:
    record = FakeRecord(value=b"v" * 20_000, headers=[("h", b"x")])
    found = parse_letter(DLQ, kept(abridged(dead(record))))
    assert found is not None
    assert (found.value_bytes, len(found.value or b""), list(found.headers)) == (20_000, 16_384, [])
    assert is_whole(found, record)
    assert not is_whole(found, FakeRecord(value=b"v" * 20_001))
    assert not is_whole(found, FakeRecord(value=None))


def test_a_letter_is_not_abridged_because_its_record_says_so() -> None:
    """Only the producer of dead letters sets these."""
    own = [("headcount-value-bytes", None), ("headcount-value-sha256", b""), ("headcount-key-bytes", b"1")]
    found = parse_letter(DLQ, kept(fitting(dead(FakeRecord(value=b"v", headers=own)))))
    assert found is not None
    assert (found.whole, list(found.headers)) == (None, own)


@pytest.mark.parametrize(
    "record",
    [
        FakeRecord(value=b"{}"),
        FakeRecord(headers=[("headcount-topic", b"t")]),
        kept(Message(None, *note_of([]))),
        changed("headcount-topic", None),
        changed("headcount-error", None),
        changed("headcount-partition", b"third"),
        changed("headcount-offset", b"-1"),
        changed("headcount-offset", b"9" * 5_000),
    ],
)
def test_what_is_no_letter_is_none(record: FakeRecord) -> None:
    assert parse_letter(DLQ, record) is None
    assert list(parse_note(record)) == []


def test_a_note_names_the_records_that_were_redriven() -> None:
    origins = [Origin(0, 1, TIMESTAMP), Origin(3, 2**40, TIMESTAMP)]
    assert list(parse_note(kept(Message(None, *note_of(origins))))) == origins


def test_a_record_can_not_pass_for_a_note() -> None:
    record = kept(fitting(dead(FakeRecord(value=b"[[0,1,2]]", headers=[("headcount-note", b"redriven")]))))
    assert list(parse_note(record)) == []


def test_a_letter_is_entered_once_however_often_its_log_is_read() -> None:
    ledger, message = Ledger(), fitting(dead(FakeRecord(value=b"v", offset=9)))
    assert ledger.enter(DLQ, kept(message, 0)) is not None
    assert ledger.enter(DLQ, kept(message, 1)) is None
    assert len(ledger.reasons) == 1


def test_a_record_at_the_same_place_of_a_recreated_topic_is_another() -> None:
    ledger, message = Ledger(), fitting(dead(FakeRecord(value=b"v", offset=9)))
    assert ledger.enter(DLQ, kept(message, 0)) is not None
    another = fitting(dead(FakeRecord(value=b"v", offset=9, timestamp=TIMESTAMP + 1)))
    assert ledger.enter(DLQ, kept(another, 1)) is not None


def test_a_redriven_letter_is_marked_also_where_it_is_met_again() -> None:
    ledger, message = Ledger(), fitting(dead(FakeRecord(value=b"v", offset=9)))
    first = ledger.enter(DLQ, kept(message, 0))
    assert first is not None
    ledger.enter(DLQ, kept(Message(None, *note_of([first.origin])), 1))
    ledger.enter(DLQ, kept(message, 2))
    newest = Newest(10)
    newest.add(first)
    assert [line.redriven for line in newest.lines(ledger.redriven)] == [True]


def test_only_the_newest_are_kept() -> None:
    newest = Newest(2)
    for place in (3, 1, 4, 2):
        newest.add(letter(place, at=place))
    assert [line.letter for line in newest.lines(set())] == ["0:4", "0:3"]


@pytest.mark.parametrize(
    ("query", "matches"),
    [
        (Query(reason=None, since=None, limit=1), True),
        (Query(reason="not-json", since=NOW, limit=1), True),
        (Query(reason="too-large", since=None, limit=1), False),
        (Query(reason=None, since=NOW + timedelta(milliseconds=1), limit=1), False),
    ],
)
def test_a_query_tells_reason_and_age(query: Query, matches: bool) -> None:  # noqa: FBT001 - an expectation
    assert query.matches(letter()) is matches


@pytest.mark.parametrize("timestamp", [-1, 0, 2**62])
def test_any_timestamp_has_an_instant(timestamp: int) -> None:
    assert datetime(1970, 1, 1, tzinfo=UTC) <= Origin(0, 0, timestamp).instant


def plan_for(
    selection: Selection, *letters: Letter, redriven: tuple[Letter, ...] = ()
) -> tuple[set[str], int, int]:
    ledger = Ledger()
    ledger.redriven = {each.origin for each in redriven}
    chosen = {each.origin: each for each in letters if selection.takes(each)}
    plan = choose("user-activity", selection, ledger, chosen)
    return {str(place) for place in plan.places}, plan.redriven_before, plan.came_back_too_often


def test_all_means_all_that_were_not_redriven_yet() -> None:
    old, fresh = letter(1, at=1), letter(2, at=2)
    assert plan_for(Selection(), old, fresh, redriven=(old,)) == ({"0:2"}, 1, 0)
    assert plan_for(Selection(forced=True), old, fresh, redriven=(old,)) == ({"0:1", "0:2"}, 0, 0)


def test_a_record_that_comes_back_again_and_again_is_left_to_a_person() -> None:
    stubborn, young = letter(1, at=1, redrives=MAX_REDRIVES), letter(2, at=2, redrives=MAX_REDRIVES - 1)
    assert plan_for(Selection(), stubborn, young) == ({"0:2"}, 0, 1)
    assert plan_for(Selection(forced=True), stubborn, young) == ({"0:1", "0:2"}, 0, 0)


def test_letters_are_chosen_by_place_or_by_reason() -> None:
    letters = letter(1, at=1), letter(2, at=2, reason="too-large")
    assert plan_for(Selection(places=frozenset({Place(0, 1)})), *letters)[0] == {"0:1"}
    assert plan_for(Selection(reason="too-large"), *letters)[0] == {"0:2"}


def test_a_redriven_record_counts_its_redrives_and_is_else_as_it_was() -> None:
    once = again(b"k", None, [("a", b"1"), ("a", b"2")])
    assert once == Message(b"k", None, [("a", b"1"), ("a", b"2"), (REDRIVEN, b"1")])
    assert again(b"k", None, once.headers) == Message(
        b"k", None, [("a", b"1"), ("a", b"2"), (REDRIVEN, b"2")]
    )


@pytest.mark.parametrize("count", [b"", b"-1", b"many", b"\xff", b"9" * 5_000, "\u0663".encode()])
def test_a_count_that_is_none_counts_from_the_beginning(count: bytes) -> None:
    assert dict(again(None, None, [(REDRIVEN, count)]).headers) == {REDRIVEN: b"1"}


@pytest.mark.parametrize("text", ["0:42", "11:0"])
def test_a_place_is_a_partition_and_an_offset(text: str) -> None:
    assert str(parse_place(text)) == text


@pytest.mark.parametrize("text", ["", "0", "0:", ":0", "a:0", "0:-1", "0:1\n", "\u0660:\u0661"])
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="such as 0:42"):
        parse_place(text)


def test_a_reason_is_one_of_those_there_are() -> None:
    assert parse_reason("not-json") == "not-json"
    with pytest.raises(typer.BadParameter, match="no-value, too-large"):
        parse_reason("other")


@given(st.text(), st.integers(0, 40))
def test_the_beginning_of_text_is_text_wherever_it_is_cut(text: str, limit: int) -> None:
    shown = beginning_of(text.encode(errors="surrogatepass"), limit)
    if shown.encoding == "utf-8":
        assert text.encode(errors="surrogatepass").startswith(shown.text.encode())
        assert shown.bytes_shown > limit - 4 or shown.text == text


@given(st.binary())
def test_other_bytes_are_shown_in_hexadecimal_digits(value: bytes) -> None:
    shown = beginning_of(b"\xff" + value, 99)
    assert (shown.encoding, shown.text) == ("hex", (b"\xff" + value)[:99].hex())


@given(st.text())
def test_nothing_that_is_shown_controls_a_terminal(text: str) -> None:
    assert all(each.isprintable() for each in printable(text))


def test_what_is_escaped_can_be_read() -> None:
    assert printable("a\x1b[31m\n\t", keep="\n") == "a\\x1b[31m\n\\t"


@pytest.mark.parametrize("timestamp", [-1, 0, 1_700_000_000, 1_700_000_000_000_000, (1 << 63) - 1])
def test_a_letter_has_the_records_timestamp_whatever_it_is(timestamp: int) -> None:
    found = parse_letter(DLQ, kept(fitting(dead(FakeRecord(value=b"v", timestamp=timestamp)))))
    assert found is not None
    assert (found.origin.timestamp, found.written) == (timestamp, TIMESTAMP)
    assert parse_note(FakeRecord(value=note_of([found.origin])[0], headers=note_of([])[1])) == [found.origin]
    assert Query(reason=None, since=NOW - timedelta(days=1), limit=1).matches(found)


def test_a_letter_without_a_header_for_it_has_its_own_timestamp() -> None:
    """As those that were written before there was one."""
    message = fitting(dead(FakeRecord(value=b"v", offset=9, headers=[("headcount-timestamp", b"1")])))
    headers = [header for number, header in enumerate(message.headers) if number != 3]
    found = parse_letter(DLQ, kept(Message(None, b"v", headers), timestamp=TIMESTAMP + 1))
    assert found is not None
    assert found.origin == Origin(2, 9, TIMESTAMP + 1)
    assert list(found.headers) == [("headcount-timestamp", b"1")]
