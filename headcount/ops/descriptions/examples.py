"""Examples of what is published to Kafka, in each form in which it is read."""

from datetime import UTC, datetime
from typing import Final

import msgspec

from headcount.ops.descriptions.schemas import Document
from ingest.events.cloudevents import CONTENT_TYPE, PREFIX, STRUCTURED
from ingest.events.cloudevents_schema import Envelope, Person
from ingest.events.event import Event

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
    """Return events as plain JSON: of a person, of somebody who is not logged in, and of a bot."""
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
    """Return a CloudEvent whose attributes are in the value, beside the data."""
    payload = {name: each for name, each in msgspec.to_builtins(_ENVELOPE).items() if each is not None}
    return [{"name": "structured", "headers": {CONTENT_TYPE: STRUCTURED}, "payload": payload}]
