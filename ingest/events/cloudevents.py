"""Decodes CloudEvents 1.0 in both modes of the Kafka binding; a record's headers select the mode.

The attributes `time` and `type` are the event's `occurred_at` and `type`; the data has the user. Fields of
the data with those names are ignored like any other.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final, TypeVar

import msgspec

from ingest.events.cloudevents_schema import JSON_MEDIA_TYPE, Attributes, Envelope, Person
from ingest.events.event import (
    MALFORMED,
    Event,
    Fields,
    NotAnEventError,
    decode,
    flaw_in,
    is_workspace_id,
    malformed_workspace_id,
    parsed,
)
from ingest.events.instant import parse_instant
from ingest.ports import Headers

T = TypeVar("T")

CONTENT_TYPE: Final = "content-type"
PREFIX: Final = "ce_"
MEDIA_TYPE: Final = "application/cloudevents"
STRUCTURED: Final = f"{MEDIA_TYPE}+json"
BATCH: Final = f"{MEDIA_TYPE}-batch"

_ATTRIBUTES: Final[Fields] = {
    **dict.fromkeys(("specversion", "id", "source", "type", "time"), str),
    "datacontenttype": (str, type(None)),
}
_PERSON: Final[Fields] = {"workspace_id": str, **dict.fromkeys(("user_id", "user_type"), (str, type(None)))}
_HEADERS: Final = {f"{PREFIX}{name}": name for name, types in _ATTRIBUTES.items() if types is str} | {
    CONTENT_TYPE: "datacontenttype"
}

_envelope_decoder = msgspec.json.Decoder(Envelope)
_person_decoder = msgspec.json.Decoder(Person)
_is_json = re.compile(JSON_MEDIA_TYPE).fullmatch


def decode_with_headers(value: bytes, headers: Headers) -> Event:
    """Decode a record with headers: as a CloudEvent if they declare one, otherwise as a plain event.

    The content-type header decides first, as the binding defines, then the header of the specification's
    version. A value that merely looks like a CloudEvent is not one. Raises `NotAnEventError`.
    """
    last = dict(headers)  # the last of repeated headers, as with repeated JSON fields
    content_type = (last.get(CONTENT_TYPE) or b"").decode(errors="replace")
    if content_type.lower().startswith(MEDIA_TYPE):
        return _decode_structured(value, _media_type(content_type))
    if last.get(f"{PREFIX}specversion") is not None:
        return _decode_binary(value, last)
    return decode(value)


def _decode_structured(value: bytes, media_type: str) -> Event:
    if media_type.startswith(BATCH):
        raise NotAnEventError("not-an-object", "a batch of CloudEvents: publish a record for each of them")
    if media_type != STRUCTURED:
        raise NotAnEventError("not-json", f"{media_type} is not read; {STRUCTURED} is")
    try:
        envelope = _envelope_decoder.decode(value)
    except MALFORMED as error:
        raise _explain_envelope(parsed(value), error) from error
    return _event(envelope, envelope.data)


def _decode_binary(value: bytes, headers: Mapping[str, bytes | None]) -> Event:
    attributes = _attributes(headers)
    try:
        person = _person_decoder.decode(value)
    except MALFORMED as error:
        raise flaw_in(parsed(value), _PERSON) or _wrong_form(error) from error
    return _event(attributes, person)


def _attributes(headers: Mapping[str, bytes | None]) -> Attributes:
    texts = _texts(headers)
    try:
        return msgspec.convert(texts, Attributes)
    except msgspec.ValidationError as error:
        raise flaw_in(texts, _ATTRIBUTES) or _wrong_form(error) from error


def _texts(headers: Mapping[str, bytes | None]) -> dict[str, str]:
    try:
        return {_HEADERS[name]: value.decode() for name, value in _given(headers) if name in _HEADERS}
    except UnicodeDecodeError as error:
        raise _wrong_form(error) from error


def _given(members: Mapping[str, T | None]) -> Iterator[tuple[str, T]]:
    """Drop null members: by the specification they count as absent."""
    return ((name, value) for name, value in members.items() if value is not None)


def _event(attributes: Attributes, person: Person) -> Event:
    if attributes.datacontenttype and not _is_json(_media_type(attributes.datacontenttype)):
        raise NotAnEventError("not-json", f"the data is {attributes.datacontenttype}; only JSON is read")
    if not is_workspace_id(person.workspace_id):
        raise malformed_workspace_id()
    try:
        occurred_at = parse_instant(attributes.time)
    except ValueError as error:
        raise NotAnEventError("wrong-form", f"time {error}") from error
    return Event(person.workspace_id, occurred_at, attributes.type, person.user_id, person.user_type)


def _explain_envelope(document: object, error: Exception) -> NotAnEventError:
    if not isinstance(document, dict):
        return NotAnEventError("not-an-object", f"expected a JSON object, got {type(document).__name__}")
    given = dict(_given(document))
    if "data_base64" in given:
        return NotAnEventError("wrong-form", "data_base64 is not read: the data must be JSON, in data")
    if "data" not in given:
        return NotAnEventError("missing-field", "data is missing")
    return flaw_in(given, _ATTRIBUTES) or flaw_in(given["data"], _PERSON) or _wrong_form(error)


def _wrong_form(error: Exception) -> NotAnEventError:
    return NotAnEventError("wrong-form", str(error))


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()
