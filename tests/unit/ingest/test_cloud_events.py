"""CloudEvents are decoded in both modes, as the SDKs write them; others are rejected with a reason."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import get_args

import msgspec
import pytest
from cloudevents.core.bindings import kafka
from cloudevents.core.v1.event import CloudEvent
from cloudevents.v1.http import CloudEvent as FirstCloudEvent
from cloudevents.v1.kafka import to_binary as first_to_binary
from cloudevents.v1.kafka import to_structured as first_to_structured
from hypothesis import given
from hypothesis import strategies as st

from headcount.ops.dead_letters.letters import parse_letter
from headcount.ops.dead_letters.redrive import again
from ingest.batch import Partition
from ingest.events.cloudevents import decode_with_headers
from ingest.events.decoding import RecordDecoder
from ingest.events.event import DeadLetterReason, Event, NotAnEventError, decode
from ingest.kafka.dead_letters import fitting
from ingest.kafka.producer import Message
from ingest.ports import DeadLetter, Headers
from tests.support.fakes_log import NOW, FakeRecord
from tests.unit.ingest.event_strategies import JSON, SpelledEvent, instants, spelled_events

PARTITION = Partition("user-activity", 3)
NAMED = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
WHOLE_MINUTES = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
ATTRIBUTES = {
    "specversion": "1.0",
    "id": "1",
    "source": "/chat",
    "type": "com.example.message",
    "time": "2024-05-17T12:00:00Z",
}
PERSON = {"workspace_id": "acme", "user_id": "alice"}
ALICE = Event("acme", datetime(2024, 5, 17, 12, tzinfo=UTC), "com.example.message", "alice")
STRUCTURED: Headers = [("content-type", b"application/cloudevents+json; charset=UTF-8")]

Attributes = Mapping[str, str | None]


def binary_headers(content_type: str | None = "application/json", **changes: str | None) -> Headers:
    attributes: Attributes = ATTRIBUTES | changes
    headers = [(f"ce_{name}", text.encode()) for name, text in attributes.items() if text is not None]
    return headers if content_type is None else [("content-type", content_type.encode()), *headers]


def structured(**changes: object) -> bytes:
    return json.dumps(ATTRIBUTES | {"data": PERSON} | changes).encode()


def structured_without(name: str) -> bytes:
    document = json.loads(structured())
    del document[name]
    return json.dumps(document).encode()


def reason_of(value: bytes, headers: Headers) -> str:
    with pytest.raises(NotAnEventError) as caught:
        decode_with_headers(value, headers)
    return caught.value.reason


@st.composite
def attributes(draw: st.DrawFn) -> tuple[dict[str, str], datetime]:
    """Draw attributes, and the instant of their time."""
    when = draw(instants())
    named = {name: draw(NAMED) for name in ("id", "source", "type")}
    return {"specversion": "1.0", "time": when.text, **named}, when.instant


PERSONS = st.builds(
    lambda workspace_id, user_id, user_type, others: (
        others | {"workspace_id": workspace_id, "user_id": user_id, "user_type": user_type}
    ),
    st.from_regex("[A-Za-z0-9._-]{1,64}", fullmatch=True),
    st.none() | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=128),
    st.sampled_from([None, "user", "bot"]),
    st.dictionaries(st.sampled_from(["type", "occurred_at", "time", "specversion", "x"]), JSON),
)


@given(attributes(), PERSONS, st.dictionaries(st.sampled_from(["subject", "traceparent"]), NAMED))
def test_both_modes_are_equal_and_only_attributes_give_time_and_type(
    drawn: tuple[dict[str, str], datetime], person: dict[str, object], extensions: dict[str, str]
) -> None:
    attributes, instant = drawn
    in_headers = [(f"ce_{name}", text.encode()) for name, text in (attributes | extensions).items()]
    in_value = json.dumps(attributes | extensions | {"data": person}).encode()
    event = msgspec.convert(person | {"occurred_at": instant, "type": attributes["type"]}, Event)
    assert decode_with_headers(json.dumps(person).encode(), in_headers) == event
    assert decode_with_headers(in_value, STRUCTURED) == event


@given(
    st.builds(
        dict,
        id=NAMED,
        source=NAMED,
        type=NAMED,
        time=st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=WHOLE_MINUTES),  # noqa: DTZ001 - Hypothesis wants them naive
    ),
    PERSONS,
)
def test_what_the_sdk_writes_is_read(attributes: dict[str, object], person: dict[str, object]) -> None:
    written = CloudEvent({**attributes, "specversion": "1.0", "datacontenttype": "application/json"}, person)
    for write in (kafka.to_binary_event, kafka.to_structured_event):
        message = write(written)
        event = decode_with_headers(message.value, [*message.headers.items()])
        assert (event.workspace_id, event.user_id) == (person["workspace_id"], person["user_id"])
        assert (event.occurred_at, event.type) == (attributes["time"], attributes["type"])


def test_what_the_first_sdk_writes_is_read_in_binary_mode_and_explained_in_structured_mode() -> None:
    """It writes no content-type that declares a CloudEvent in structured mode."""
    written = FirstCloudEvent({**ATTRIBUTES, "datacontenttype": "application/json"}, PERSON)
    binary, in_value = first_to_binary(written), first_to_structured(written)
    assert isinstance(binary.value, bytes)
    assert isinstance(in_value.value, bytes)
    assert decode_with_headers(binary.value, [*binary.headers.items()]) == ALICE
    with pytest.raises(NotAnEventError, match="a CloudEvent has to say so in a content-type header"):
        decode_with_headers(in_value.value, [*in_value.headers.items()])


@given(
    spelled_events(),
    st.lists(
        st.tuples(
            st.sampled_from(["content-type", "ce_id", "ce_time", "traceparent", "headcount-redriven"]),
            st.none() | st.sampled_from([b"", b"application/json", b"text/plain", b"\xff"]),
        )
    ),
)
def test_headers_that_declare_no_cloud_event_change_nothing(
    spelled_event: SpelledEvent, headers: Headers
) -> None:
    assert decode_with_headers(spelled_event.value, headers) == decode(spelled_event.value)


@pytest.mark.parametrize(
    ("value", "headers"),
    [
        (structured(), [*STRUCTURED, *binary_headers(None, time="2001-01-01T00:00:00Z")]),
        (structured(), [("content-type", b"APPLICATION/CloudEvents+JSON")]),
        (structured(), [("content-type", b"application/json"), *STRUCTURED]),
        (structured(datacontenttype=None, subject=None, data_base64=None), STRUCTURED),
        (structured(datacontenttype="application/vnd.acme.activity+json; v=1"), STRUCTURED),
        (json.dumps(PERSON).encode(), binary_headers()),
        (json.dumps(PERSON).encode(), binary_headers(None)),
        (json.dumps(PERSON).encode(), binary_headers("text/json")),
        (json.dumps(PERSON).encode(), [("ce_time", b"x"), ("ce_id", None), *binary_headers()]),
        (json.dumps(PERSON).encode(), [*binary_headers(), ("ce_subject", b"\xff"), ("ce_sequence", None)]),
    ],
)
def test_equivalent_spellings_decode_to_the_same_event(value: bytes, headers: Headers) -> None:
    assert decode_with_headers(value, headers) == ALICE


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "not-json"),
        (structured()[:-1], "not-json"),
        (b"[" + structured() + b"]", "not-an-object"),
        (structured(datacontenttype="application/avro"), "not-json"),
        (structured(data="{}"), "not-an-object"),
        (structured(data=[]), "not-an-object"),
        (structured(data=None), "missing-field"),
        (structured(data={}), "missing-field"),
        (structured(time=None), "missing-field"),
        (structured(id=None), "missing-field"),
        *((structured_without(name), "missing-field") for name in (*ATTRIBUTES, "data")),
        (structured(id=1), "wrong-type"),
        (structured(specversion=1.0), "wrong-type"),
        (structured(time=0), "wrong-type"),
        (structured(datacontenttype=["application/json"]), "wrong-type"),
        (structured(data={"workspace_id": 1}), "wrong-type"),
        (structured(data=PERSON | {"user_id": 1}), "wrong-type"),
        (structured(specversion="0.3"), "wrong-form"),
        (structured(id=""), "wrong-form"),
        (structured(source=""), "wrong-form"),
        (structured(type=""), "wrong-form"),
        (structured(time="yesterday"), "wrong-form"),
        (structured(time="2024-05-17T12:00:00+0000"), "wrong-form"),
        (structured(time="2024-02-30T12:00:00Z"), "wrong-form"),
        (structured(data={"workspace_id": "a:b"}), "wrong-form"),
        (structured(data=PERSON | {"user_type": 1}), "wrong-type"),
        (structured(data=PERSON | {"user_id": ""}), "wrong-form"),
        (structured(data=PERSON | {"user_id": "a" * 129}), "wrong-form"),
        (structured(data_base64="e30="), "wrong-form"),
    ],
)
def test_each_rule_of_structured_mode_has_its_reason(value: bytes, reason: str) -> None:
    assert reason_of(value, STRUCTURED) == reason


def test_data_that_is_no_json_value_is_named() -> None:
    document = json.loads(structured_without("data")) | {"data_base64": "e30="}
    with pytest.raises(NotAnEventError, match="data_base64 is not read") as caught:
        decode_with_headers(json.dumps(document).encode(), STRUCTURED)
    assert caught.value.reason == "wrong-form"


@pytest.mark.parametrize(
    ("content_type", "reason"),
    [
        (b"application/cloudevents-batch+json", "not-an-object"),
        (b"application/cloudevents+avro", "not-json"),
        (b"application/cloudevents", "not-json"),
    ],
)
@pytest.mark.parametrize("value", [structured(), json.dumps(PERSON).encode(), b"\x00"])
def test_a_form_that_is_not_read_has_its_reason_whatever_the_value(
    content_type: bytes, reason: str, value: bytes
) -> None:
    assert reason_of(value, [("content-type", content_type), *binary_headers(None)]) == reason


@pytest.mark.parametrize(
    ("value", "headers", "reason"),
    [
        (b"{", binary_headers(), "not-json"),
        (b"[]", binary_headers(), "not-an-object"),
        (b"{}", binary_headers(), "missing-field"),
        (json.dumps(PERSON).encode(), binary_headers("application/avro"), "not-json"),
        *(
            (json.dumps(PERSON).encode(), binary_headers(None, **{name: None}), "missing-field")
            for name in ("id", "source", "type", "time")
        ),
        (json.dumps(PERSON).encode(), [*binary_headers(), ("ce_time", None)], "missing-field"),
        (json.dumps(PERSON).encode(), binary_headers(specversion="2.0"), "wrong-form"),
        (json.dumps(PERSON).encode(), binary_headers(id=""), "wrong-form"),
        (json.dumps(PERSON).encode(), binary_headers(time="2024-05-17"), "wrong-form"),
        (json.dumps(PERSON).encode(), [*binary_headers(), ("ce_source", b"\xff")], "wrong-form"),
        (json.dumps(PERSON | {"workspace_id": "a:b"}).encode(), binary_headers(), "wrong-form"),
        (json.dumps(PERSON | {"user_id": 7}).encode(), binary_headers(), "wrong-type"),
    ],
)
def test_each_rule_of_binary_mode_has_its_reason(value: bytes, headers: Headers, reason: str) -> None:
    assert reason_of(value, headers) == reason


@pytest.mark.parametrize("value", [b"[" * 100_000, b'{"data": ' + b'{"a":' * 100_000])
@pytest.mark.parametrize("headers", [STRUCTURED, binary_headers()])
def test_a_nesting_too_deep_is_no_json(value: bytes, headers: Headers) -> None:
    assert reason_of(value, headers) == "not-json"


HEADERS = st.lists(
    st.tuples(
        st.sampled_from(["content-type", *(f"ce_{name}" for name in ATTRIBUTES)]),
        st.none()
        | st.binary(max_size=5)
        | st.sampled_from([b"1.0", b"2024-05-17T12:00:00Z", b"application/cloudevents+json"]),
    )
)


@given(
    st.binary()
    | st.dictionaries(st.sampled_from([*ATTRIBUTES, "data", *PERSON]), JSON).map(
        lambda document: json.dumps(document).encode()
    ),
    HEADERS,
)
def test_any_value_under_any_headers_is_an_event_or_has_a_reason(value: bytes, headers: Headers) -> None:
    try:
        event = decode_with_headers(value, headers)
    except NotAnEventError as raised:
        error = raised
    else:
        assert event.occurred_at.tzinfo is UTC
        return
    assert error.reason in get_args(DeadLetterReason)
    assert str(error).encode()


def as_it_was(value: bytes, headers: Headers) -> Message:
    return Message(None, value, headers)


def as_redriven(value: bytes, headers: Headers) -> Message:
    """Make a letter of it, read that, and redrive it."""
    record = FakeRecord(value=value, headers=headers)
    message = fitting(DeadLetter(partition=PARTITION, record=record, reason="too-large", error="too large"))
    letter = parse_letter(PARTITION, FakeRecord(value=message.value, headers=message.headers))
    assert letter is not None
    return again(letter.key, letter.value, letter.headers)


@pytest.mark.parametrize("publish", [as_it_was, as_redriven])
@pytest.mark.parametrize(
    ("value", "headers"),
    [(structured(), STRUCTURED), (json.dumps(PERSON).encode(), binary_headers())],
    ids=["structured", "binary"],
)
def test_a_cloud_event_is_decoded_like_any_event_redriven_or_not(
    publish: Callable[[bytes, Headers], Message], value: bytes, headers: Headers
) -> None:
    message = publish(value, headers)
    records = [FakeRecord(value=message.value, headers=message.headers)]
    result = RecordDecoder(max_event_bytes=1_000).decode(PARTITION, records, NOW)
    assert (result.events, result.letters) == ([ALICE], [])


def test_a_cloud_event_ahead_of_the_clock_is_a_dead_letter_with_its_headers() -> None:
    headers = binary_headers(time="2034-05-17T12:00:00Z")
    record = FakeRecord(value=json.dumps(PERSON).encode(), headers=headers)
    (letter,) = RecordDecoder(max_event_bytes=1_000).decode(PARTITION, [record], NOW).letters
    assert letter.reason == "in-the-future"
    own: Sequence[tuple[str, bytes | None]] = fitting(letter).headers[-len(headers) :]
    assert own == headers


def test_a_plain_event_with_a_field_of_a_cloud_events_name_is_a_plain_event() -> None:
    document = msgspec.structs.asdict(ALICE) | {"specversion": "1.0", "data": {"workspace_id": "other"}}
    assert decode(msgspec.json.encode(document)) == ALICE
