"""The JSON Schemas of what is read from Kafka and written there, generated from the types that decode it."""

from collections.abc import Mapping
from inspect import cleandoc
from typing import Annotated, Any, Final, TypeAlias

import msgspec

from ingest.events.cloudevents import CONTENT_TYPE, PREFIX
from ingest.events.cloudevents_schema import Attributes, Envelope, Person
from ingest.events.event import DeadLetterReason, Event
from ingest.kafka.dead_letters import ERROR_MAX_CHARACTERS

Document: TypeAlias = dict[str, Any]
"""A document as JSON would hold it."""

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

_Digits = Annotated[str, msgspec.Meta(pattern="^[0-9]+$")]


class LetterHeaders(msgspec.Struct, rename=lambda name: f"headcount-{name.replace('_', '-')}"):
    """Where a dead letter's record was, and why it is no event. The record's own headers follow."""

    topic: str
    partition: _Digits
    offset: _Digits
    timestamp: Annotated[str, msgspec.Meta(pattern="^-?[0-9]+$")]
    reason: DeadLetterReason
    error: Annotated[str, msgspec.Meta(max_length=ERROR_MAX_CHARACTERS)]


class AbridgedLetterHeaders(LetterHeaders, rename=lambda name: f"headcount-{name.replace('_', '-')}"):
    """Those of a letter that holds only the beginning of a large value, in place of the record's own."""

    value_bytes: _Digits
    value_sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    key_bytes: _Digits


def schema_of(kind: type[msgspec.Struct]) -> Document:
    """Return a type's schema, whole and without references."""
    _, schemas = msgspec.json.schema_components([kind], ref_template="{name}")
    tidy: Document = _tidy(schemas[kind.__name__], schemas)
    return tidy


def event_schema() -> Document:
    """Return the schema of an event in plain JSON, as a document of its own."""
    return {"$schema": DIALECT, **schema_of(Event)}


def attribute_headers() -> Document:
    """Return the schema of a CloudEvent's headers in binary mode."""
    schema = schema_of(Attributes)
    properties = {_header_of(name): _without_null(each) for name, each in schema["properties"].items()}
    return {**schema, "properties": properties, "required": [_header_of(name) for name in schema["required"]]}


def kafka_schemas() -> dict[str, Document]:
    """Return every schema that a description of the topics refers to, by name."""
    kinds = (Event, Envelope, Person, LetterHeaders, AbridgedLetterHeaders)
    return {kind.__name__: schema_of(kind) for kind in kinds} | {"AttributeHeaders": attribute_headers()}


def _header_of(attribute: str) -> str:
    return CONTENT_TYPE if attribute == "datacontenttype" else f"{PREFIX}{attribute}"


def _without_null(schema: Document) -> Document:
    """Take null out of the choices: a header without a value is one that is not there."""
    either: list[Document] = schema.get("anyOf", [schema])
    return either[0]


def _tidy(schema: Any, schemas: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any JSON
    """Put what is referred to in its place, and keep of docstrings their summary."""
    if isinstance(schema, list):
        return [_tidy(each, schemas) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _tidy(schemas[schema["$ref"]], schemas)
    tidy = {name: _tidy(each, schemas) for name, each in schema.items()}
    if isinstance(tidy.get("description"), str):
        summary, _, _ = cleandoc(tidy["description"]).partition("\n\n")  # the rest is for who reads the code
        tidy["description"] = " ".join(summary.split())
    return tidy
