"""The published schemas of events: whatever is valid by them is read, and the other way round."""

import json
from collections.abc import Callable
from functools import cache

import jsonschema_rs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headcount.ops.descriptions.schemas import DIALECT, Document, event_schema, kafka_schemas
from ingest.events.cloudevents import CONTENT_TYPE, STRUCTURED, decode_with_headers
from ingest.events.cloudevents_schema import JSON_MEDIA_TYPE
from ingest.events.event import NotAnEventError
from ingest.ports import Headers
from tests.unit.ingest.event_strategies import JSON, TEXT, instants

PUBLISHED_INSTANT = event_schema()["properties"]["occurred_at"]["pattern"]
STRANGE_INSTANTS = [
    "2024-02-30T12:00:00Z",
    "2016-12-31T23:59:60Z",
    "0000-06-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59.9999999Z",
    "2024-05-17T12:00:00+0000",
    "2024-05-17T12:00:00.Z",
    "2024-05-17T12:00:00,5Z",
    "2024-13-17T12:00:00Z",
    "2024-05-17T12:60:00Z",
    "2024-05-17T12:00:00+24:00",
    "2024-05-17T24:00:00Z",
    "2024-05-17T12:00:00Z\n",
]
Field = tuple[st.SearchStrategy[object], st.SearchStrategy[object]]
"""What a field may be, and what is near it: the one is always read, the other sometimes."""

# The schema wants a T and a year from 2 to 9998; what is read is a little more.
INSTANT: Field = (
    instants().map(lambda spelled: spelled.text.replace(" ", "T")),
    (st.from_regex(PUBLISHED_INSTANT, fullmatch=True) | st.sampled_from(STRANGE_INSTANTS)).filter(
        lambda text: not text.startswith(("0001", "9999"))
    ),
)
WORKSPACE_ID: Field = (
    st.from_regex("[A-Za-z0-9._-]{1,64}", fullmatch=True),
    st.sampled_from(["a" * 65, "acme\n", "", "ä", "a:b"]),
)
USER_ID: Field = (
    st.none() | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=128),
    st.sampled_from(["", "a" * 129, "😀" * 128, "😀" * 129]),
)
USER_TYPE: Field = (
    st.none() | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=64),
    st.sampled_from(["", "a" * 65, "😀" * 64, "😀" * 65]),
)
MEDIA_TYPE: Field = (
    st.from_regex(f"{JSON_MEDIA_TYPE} ?(;.*)?", fullmatch=True),
    st.sampled_from(["text/plain", "application/avro", "json", "a/json5", "/json", "a/+json"]),
)
NAMED: Field = (TEXT.filter(bool), st.just(""))
VERSION: Field = (st.just("1.0"), st.sampled_from(["0.3", "1.0.2", ""]))


@st.composite
def documents(draw: st.DrawFn, required: dict[str, Field], optional: dict[str, Field]) -> object:
    """Draw a document that is as it should be, or of which one thing is not."""
    fields = required | optional
    document: dict[str, object] = draw(
        st.dictionaries(TEXT.filter(lambda name: name not in fields), JSON, max_size=2)
    )
    valid = {
        name: draw(field[0]) for name, field in fields.items() if name in required or draw(st.booleans())
    }
    document |= valid
    name = draw(st.sampled_from([*fields]))
    match draw(st.sampled_from(["whole", "near", "other", "lacking", "no-object"])):
        case "near":
            document[name] = draw(fields[name][1])
        case "other":
            document[name] = draw(JSON)
        case "lacking":
            document.pop(name, None)
        case "no-object":
            return draw(JSON)
    return document


EVENTS = documents(
    {"workspace_id": WORKSPACE_ID, "occurred_at": INSTANT, "type": (TEXT, TEXT)},
    {"user_id": USER_ID, "user_type": USER_TYPE},
)
PERSON = ({"workspace_id": WORKSPACE_ID}, {"user_id": USER_ID, "user_type": USER_TYPE})
ATTRIBUTES = {"id": NAMED, "source": NAMED, "type": NAMED, "time": INSTANT}
PERSONS = documents(*PERSON)
VALID_PERSONS = st.fixed_dictionaries(
    {"workspace_id": WORKSPACE_ID[0]}, optional={"user_id": USER_ID[0], "user_type": USER_TYPE[0]}
)
ENVELOPES = documents(
    {"specversion": VERSION, **ATTRIBUTES, "data": (VALID_PERSONS, PERSONS)},
    {"datacontenttype": MEDIA_TYPE, "data_base64": (st.none(), TEXT)},
)


@st.composite
def attribute_headers(draw: st.DrawFn) -> dict[str, str]:
    """Draw headers that tell of a CloudEvent in binary mode, as the one with the version does."""
    document = draw(documents(ATTRIBUTES, {"datacontenttype": MEDIA_TYPE}))
    members = document.items() if isinstance(document, dict) else ()
    names = {"datacontenttype": CONTENT_TYPE}
    texts = {names.get(name, f"ce_{name}"): text for name, text in members if isinstance(text, str)}
    return texts | {"ce_specversion": draw(st.sampled_from(["1.0", "1.0", "0.3"]))}


@cache
def validator(name: str) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(schema(name), validate_formats=True)


def schema(name: str) -> Document:
    return kafka_schemas()[name]


def is_read(value: object, headers: Headers = ()) -> bool:
    try:
        decode_with_headers(json.dumps(value).encode(), headers)
    except NotAnEventError:
        return False
    return True


@given(EVENTS)
@example({"workspace_id": "acme", "occurred_at": "2024-05-17T12:00:00Z", "type": "", "user_id": None})
def test_a_plain_event_is_valid_exactly_if_it_is_read(document: object) -> None:
    assert validator("Event").is_valid(document) == is_read(document)


@given(ENVELOPES)
def test_a_structured_cloud_event_is_valid_exactly_if_it_is_read(document: object) -> None:
    headers = [(CONTENT_TYPE, STRUCTURED.encode())]
    assert validator("Envelope").is_valid(document) == is_read(document, headers)


@given(attribute_headers(), PERSONS)
def test_a_binary_cloud_event_is_valid_exactly_if_it_is_read(
    headers: dict[str, str], document: object
) -> None:
    valid = validator("AttributeHeaders").is_valid(headers) and validator("Person").is_valid(document)
    raw = [(name, text.encode()) for name, text in headers.items()]
    assert valid == is_read(document, raw)


@pytest.mark.parametrize("occurred_at", STRANGE_INSTANTS)
def test_an_instant_that_can_be_no_event_is_not_valid(occurred_at: str) -> None:
    document = {"workspace_id": "acme", "occurred_at": occurred_at, "type": "message"}
    assert not validator("Event").is_valid(document)


@pytest.mark.parametrize("occurred_at", STRANGE_INSTANTS[1:])
def test_its_pattern_alone_says_so_but_for_the_lengths_of_months(occurred_at: str) -> None:
    """Many validators leave a format unchecked."""
    unchecked = jsonschema_rs.Draft202012Validator(schema("Event"), validate_formats=False)
    assert not unchecked.is_valid({"workspace_id": "acme", "occurred_at": occurred_at, "type": "message"})


@pytest.mark.parametrize("occurred_at", ["2024-05-17 12:00:00Z", "0001-06-01T00:00:00Z"])
def test_what_is_read_beyond_the_schema(occurred_at: str) -> None:
    """Nobody should begin to write these."""
    document = {"workspace_id": "acme", "occurred_at": occurred_at, "type": "message"}
    assert is_read(document)
    assert not validator("Event").is_valid(document)


@pytest.mark.parametrize(
    "build", [event_schema, *(lambda name=name: schema(name) for name in kafka_schemas())]
)
def test_every_schema_is_one_of_2020_12(build: Callable[[], Document]) -> None:
    assert jsonschema_rs.meta.is_valid({"$schema": DIALECT, **build()})
