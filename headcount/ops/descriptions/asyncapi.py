"""The AsyncAPI 3.0 document of the topic of events and the dead-letter topic."""

from datetime import UTC, datetime
from importlib.metadata import version
from typing import Final

import msgspec

from headcount.ops.descriptions.schemas import Document, kafka_schemas
from ingest.events.cloudevents import CONTENT_TYPE, PREFIX, STRUCTURED
from ingest.events.cloudevents_schema import Envelope, Person
from ingest.events.event import Event
from ingest.kafka.dead_letters import DEAD_LETTER_SUFFIX

JSON: Final = "application/json"
_AT: Final = datetime(2024, 5, 17, 12, 0, 0, 250_000, UTC)
_PERSON: Final = Person("acme", "alice")
_ENVELOPE: Final = Envelope(
    specversion="1.0",
    id="7c1f",
    source="https://chat.example.org",
    type="org.example.chat.message",
    time="2024-05-17T14:00:00.250+02:00",
    datacontenttype=JSON,
    data=_PERSON,
)


def plain_examples() -> list[Document]:
    """Return events as plain JSON: of a person, of an anonymous visitor, and of a bot."""
    person = Event("acme", _AT, "message", "alice")
    anonymous = Event("acme", _AT, "login")
    bot = Event("acme", _AT, "message", "reminder", "bot")
    return [
        {"name": "person", "payload": msgspec.to_builtins(person)},
        {"name": "anonymous", "payload": msgspec.to_builtins(anonymous)},
        {"name": "bot", "payload": msgspec.to_builtins(bot)},
    ]


def binary_examples() -> list[Document]:
    """Return a CloudEvent whose attributes are headers."""
    attributes = ("specversion", "id", "source", "type", "time")
    headers = {f"{PREFIX}{name}": getattr(_ENVELOPE, name) for name in attributes}
    return [
        {
            "name": "binary",
            "headers": {CONTENT_TYPE: JSON, **headers},
            "payload": msgspec.to_builtins(_PERSON),
        }
    ]


def structured_examples() -> list[Document]:
    """Return a CloudEvent whose attributes are in the value, next to the data."""
    payload = {name: each for name, each in msgspec.to_builtins(_ENVELOPE).items() if each is not None}
    return [{"name": "structured", "headers": {CONTENT_TYPE: STRUCTURED}, "payload": payload}]


ANY_BYTES: Final = "application/octet-stream"


def asyncapi_document(topic: str) -> Document:
    """Describe a deployment that reads `topic`."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Headcount",
            "version": version("headcount"),
            "description": "Live counts of the distinct people active in a chat workspace.",
        },
        "defaultContentType": JSON,
        "channels": {
            "activity": _activity(topic),
            "dead-letters": _dead_letters(topic + DEAD_LETTER_SUFFIX),
        },
        "operations": {
            "count-activity": _operation("receive", "activity", "Each event counts its person on its day."),
            "keep-dead-letters": _operation(
                "send", "dead-letters", "What is not an event is kept, with the reason."
            ),
        },
        "components": {"messages": _messages(), "schemas": kafka_schemas()},
    }


def _activity(topic: str) -> Document:
    return {
        "address": topic,
        "title": "What people did",
        "description": "A record's key and its partition are free: a count of people has no order.",
        "messages": _references("messages", ("event", "cloud-event-binary", "cloud-event-structured")),
    }


def _dead_letters(topic: str) -> Document:
    return {
        "address": topic,
        "title": "Records that are not events",
        "description": "Headcount's headers come first, then the record's own; the key is the record's.",
        "messages": _references("messages", ("dead-letter", "dead-letter-abridged")),
    }


def _operation(action: str, channel: str, summary: str) -> Document:
    return {"action": action, "channel": {"$ref": f"#/channels/{channel}"}, "summary": summary}


def _messages() -> Document:
    return {
        "event": {
            "title": "An event in plain JSON",
            "contentType": JSON,
            "payload": _schema("Event"),
            "examples": plain_examples(),
        },
        "cloud-event-binary": {
            "title": "An event as a CloudEvent 1.0 in binary mode",
            "contentType": JSON,
            "headers": _schema("AttributeHeaders"),
            "payload": _schema("Person"),
            "examples": binary_examples(),
        },
        "cloud-event-structured": {
            "title": "An event as a CloudEvent 1.0 in structured mode",
            "contentType": STRUCTURED,
            "headers": _structured_headers(),
            "payload": _schema("Envelope"),
            "examples": structured_examples(),
        },
        "dead-letter": {
            "title": "A record, byte for byte",
            "contentType": ANY_BYTES,
            "headers": _schema("LetterHeaders"),
        },
        "dead-letter-abridged": {
            "title": "The beginning of a record that is too large for a dead letter",
            "contentType": ANY_BYTES,
            "headers": _schema("AbridgedLetterHeaders"),
        },
    }


def _structured_headers() -> Document:
    media_type = {"type": "string", "pattern": f"^{STRUCTURED.replace('+', '[+]')} *(;|$)"}
    return {"type": "object", "properties": {CONTENT_TYPE: media_type}, "required": [CONTENT_TYPE]}


def _references(kind: str, names: tuple[str, ...]) -> Document:
    return {name: {"$ref": f"#/components/{kind}/{name}"} for name in names}


def _schema(name: str) -> Document:
    return {"$ref": f"#/components/schemas/{name}"}
