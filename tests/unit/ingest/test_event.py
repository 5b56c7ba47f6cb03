"""The decoding of events: every spelling of a valid one, and no way for a bad one to do harm."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import get_args

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ingest.events.event import DeadLetterReason, Event, NotAnEventError, decode, decode_all
from tests.unit.ingest.event_strategies import JSON, SpelledEvent, spelled_events

DEEP = 100_000


def spelled(**changes: object) -> bytes:
    document = {
        "workspace_id": "acme",
        "user_id": "alice",
        "type": "message",
        "occurred_at": "2024-05-17T12:00:00Z",
    }
    return json.dumps(document | changes).encode()


def without(field: str) -> bytes:
    document = json.loads(spelled())
    del document[field]
    return json.dumps(document).encode()


def with_raw(member: bytes) -> bytes:
    """Spell an event with one more member, as it is."""
    return spelled()[:-1] + b", " + member + b"}"


NESTINGS = {
    "lists": with_raw(b'"x": ' + b"[" * DEEP + b"]" * DEEP),
    "lists-left-open": with_raw(b'"x": ' + b"[" * DEEP),
    "objects": with_raw(b'"x": ' + b'{"a":' * DEEP + b"1" + b"}" * DEEP),
    "nothing-else": b"[" * DEEP,
}


def in_whole_seconds(event: Event) -> Event:
    return msgspec.structs.replace(event, occurred_at=event.occurred_at.replace(microsecond=0))


def reason_of(value: bytes) -> str:
    with pytest.raises(NotAnEventError) as caught:
        decode(value)
    return caught.value.reason


@given(spelled_events())
def test_a_valid_event_in_any_spelling_is_what_it_says(spelled_event: SpelledEvent) -> None:
    event = decode(spelled_event.value)
    assert in_whole_seconds(event) == in_whole_seconds(spelled_event.event)
    assert abs(event.occurred_at - spelled_event.event.occurred_at) <= timedelta(microseconds=1)
    assert event.occurred_at.tzinfo is UTC


@pytest.mark.parametrize(
    "occurred_at",
    [
        b"2024-05-17T23:59:59.9999999Z",
        b"2024-05-17T23:59:59.9999995Z",
        b"2024-05-17T23:59:59.99999999999999999999999999999999Z",
        b"2024-05-17T23:59:59\\u002e9999999Z",
        b"2024-05-17T23:59:59.\\u0039999999Z",
        b"2024-05-17T23:59:59.999999\\u0039\\u005a",
        b"2024-05-18T05:29:59.9999999+05:30",
        b"2024-05-17T23:59:59.9999999-00:00",
    ],
)
def test_a_fraction_is_cut_and_never_rounded_into_the_next_day(occurred_at: bytes) -> None:
    value = spelled(occurred_at="X").replace(b"X", occurred_at)
    assert decode(value).occurred_at == datetime(2024, 5, 17, 23, 59, 59, 999_999, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        with_raw(b'"x": ' + b"1" * 400),
        with_raw(b'"x": 1e999'),
        with_raw(b'"x": -0.0e-999999'),
        with_raw(b'"x": "\\u0000"'),
        with_raw(b'"x": [[[[{"y": [{}]}]]]]'),
        with_raw(b'"workspace_id": "acme"'),
        spelled() + b"\n",
    ],
)
def test_what_is_not_named_does_not_matter(value: bytes) -> None:
    assert decode(value) == decode(spelled())


def test_the_last_of_a_doubled_field_counts() -> None:
    assert decode(with_raw(b'"user_id": "bob", "occurred_at": "2024-05-17T12:00:01+00:00"')) == Event(
        workspace_id="acme",
        user_id="bob",
        type="message",
        occurred_at=datetime(2024, 5, 17, 12, 0, 1, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    "user_id", ["a" * 128, "é" * 128, "😀" * 128, "\x00", "\n", " ", "alice\n", "a:b", "{0}", "null"]
)
def test_a_user_id_is_any_text(user_id: str) -> None:
    assert decode(spelled(user_id=user_id)).user_id == user_id


@pytest.mark.parametrize("value", [spelled(user_id=None), without("user_id")])
def test_an_anonymous_user_has_no_id(value: bytes) -> None:
    assert decode(value).user_id is None


@pytest.mark.parametrize("user_type", ["bot", "guest", "é" * 64, " "])
def test_a_user_type_is_any_short_text(user_type: str) -> None:
    assert decode(spelled(user_type=user_type)).user_type == user_type


@pytest.mark.parametrize("value", [spelled(user_type=None), spelled()])
def test_a_user_may_have_no_type(value: bytes) -> None:
    assert decode(value).user_type is None


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "not-json"),
        (b"\xef\xbb\xbf" + spelled(), "not-json"),
        (spelled().decode().encode("utf-16"), "not-json"),
        (spelled() + b" x", "not-json"),
        (spelled() + spelled(), "not-json"),
        (spelled()[:-1], "not-json"),
        (with_raw(b'"x": NaN'), "not-json"),
        (with_raw(b'"x": "\x00"'), "not-json"),
        (with_raw(b'"user_id": "\\ud800"'), "not-json"),
        (with_raw(b'"user_id": "\\udc00\\ud800"'), "not-json"),
        (with_raw(b'"user_id": "\xff"'), "not-json"),
        (with_raw(b'"user_id": "\xed\xa0\x80"'), "not-json"),
        (b"null", "not-an-object"),
        (b"[]", "not-an-object"),
        (b'"' + b"x" * 40 + b'"', "not-an-object"),
        (b"12", "not-an-object"),
        (b"{}", "missing-field"),
        (without("workspace_id"), "missing-field"),
        (without("type"), "missing-field"),
        (without("occurred_at"), "missing-field"),
        (spelled(workspace_id=1), "wrong-type"),
        (spelled(workspace_id=None), "wrong-type"),
        (spelled(type=["message"]), "wrong-type"),
        (spelled(user_id=0), "wrong-type"),
        (spelled(user_id={}), "wrong-type"),
        (spelled(user_type=["bot"]), "wrong-type"),
        (spelled(occurred_at=1715947200), "wrong-type"),
        (spelled(occurred_at=None), "wrong-type"),
        (spelled(workspace_id=""), "wrong-form"),
        (spelled(workspace_id="a" * 65), "wrong-form"),
        (spelled(workspace_id="acme\n"), "wrong-form"),
        (spelled(workspace_id="acme\x00"), "wrong-form"),
        (spelled(workspace_id="a:b"), "wrong-form"),
        (spelled(workspace_id="{0}"), "wrong-form"),
        (spelled(workspace_id="ä"), "wrong-form"),
        (spelled(workspace_id="\u0661"), "wrong-form"),
        (spelled(user_id=""), "wrong-form"),
        (spelled(user_id="a" * 129), "wrong-form"),
        (spelled(user_type=""), "wrong-form"),
        (spelled(user_type="a" * 65), "wrong-form"),
    ],
)
def test_each_rule_has_its_reason(value: bytes, reason: str) -> None:
    assert reason_of(value) == reason


@pytest.mark.parametrize("value", NESTINGS.values(), ids=NESTINGS)
def test_a_nesting_too_deep_is_no_json(value: bytes) -> None:
    assert reason_of(value) == "not-json"


@pytest.mark.parametrize(
    "occurred_at",
    [
        "",
        "now",
        "1715947200",
        "2024-05-17",
        "2024-05-17T12:00Z",
        "2024-05-17T12:00:00",
        "2024-05-17T12:00:00.Z",
        "2024-05-17T12:00:00,5Z",
        "2024-05-17T12:00:00Z\n",
        " 2024-05-17T12:00:00Z",
        "2024-05-17T12:00:00+00",
        "2024-05-17T12:00:00+0000",
        "2024-05-17T12:00:00-0000",
        "2024-05-17T12:00:00+0530",
        "2024-05-17T12:00:00+24:00",
        "2024-05-17T12:00:00+05:60",
        "2024-05-17T24:00:00Z",
        "2024-05-17T12:60:00Z",
        "2016-12-31T23:59:60Z",
        "2024-02-30T12:00:00Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-00:01",
        "9999-12-31T23:59:59.9999999Z",
        "9999-12-31T23:59:59.9999999-14:00",
        "\uff12024-05-17T12:00:00Z",
    ],
)
def test_what_is_no_instant_of_rfc_3339_has_the_wrong_form(occurred_at: str) -> None:
    assert reason_of(spelled(occurred_at=occurred_at)) == "wrong-form"


@pytest.mark.parametrize("sign", ["+", "-", "\\u002b", "\\u002d"])
@pytest.mark.parametrize("offset", ["0000", "0530", "0\\u00300\\u0030"])
def test_an_offset_has_a_colon_however_it_is_spelled(sign: str, offset: str) -> None:
    value = spelled(occurred_at="2024-05-17T12:00:00X").replace(b"X", f"{sign}{offset}".encode())
    assert reason_of(value) == "wrong-form"


@given(st.binary())
@example(b"\x00")
@example(b"{" * 10_000)
def test_any_bytes_are_an_event_or_have_a_reason(value: bytes) -> None:
    assert_event_or_reason(value)


@given(st.dictionaries(st.sampled_from(["workspace_id", "user_id", "type", "occurred_at", "x"]), JSON))
def test_any_document_is_an_event_or_has_a_reason(document: object) -> None:
    assert_event_or_reason(json.dumps(document).encode())


@given(spelled_events(), st.data())
def test_an_event_damaged_anywhere_is_an_event_or_has_a_reason(
    spelled_event: SpelledEvent, data: st.DataObject
) -> None:
    value = spelled_event.value
    start = data.draw(st.integers(0, len(value)))
    end = data.draw(st.integers(start, min(start + 4, len(value))))
    assert_event_or_reason(value[:start] + data.draw(st.binary(max_size=4)) + value[end:])


def assert_event_or_reason(value: bytes) -> None:
    try:
        event = decode(value)
    except NotAnEventError as raised:
        error = raised
    else:
        assert re.fullmatch("[A-Za-z0-9._-]{1,64}", event.workspace_id)
        assert event.user_id is None or event.user_id.encode()
        assert event.occurred_at.tzinfo is UTC
        return
    assert error.reason in get_args(DeadLetterReason)
    assert str(error).encode()


PECULIAR = [
    spelled(workspace_id="a b"),
    spelled(occurred_at="2024-05-17T12:00:00+0000"),
    spelled(occurred_at="2024-05-17T12:00:00-0000"),
    spelled(occurred_at="2024-05-17T23:30:00-05:30"),
    spelled(occurred_at="2024-05-17T23:59:59.9999999Z"),
    spelled(occurred_at="X").replace(b"X", b"2024-05-17T12:00:00\\u002b0000"),
    spelled(user_id="10000"),
    spelled(user_id=7),
    without("type"),
    b"",
    b"}{",
    b"null",
    b"\xff",
    NESTINGS["lists"],
]


def outcome_of(value: bytes) -> tuple[object, ...]:
    try:
        return (decode(value),)
    except NotAnEventError as error:
        return (error.reason, str(error))


@given(
    st.lists(
        st.one_of(
            st.just(spelled()),
            st.sampled_from(PECULIAR),
            spelled_events().map(lambda spelled_event: spelled_event.value),
        )
    )
)
@example(PECULIAR)
@example([spelled()] * 3)
def test_many_are_decoded_as_each_would_be(values: list[bytes]) -> None:
    found = [(each,) if isinstance(each, Event) else (each.reason, str(each)) for each in decode_all(values)]
    assert found == [outcome_of(value) for value in values]
