"""The descriptions: what is committed is what is generated, references lead somewhere, examples are read."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import jsonschema_rs
import pytest
from typer.testing import CliRunner

from headcount.cli import app
from headcount.ops.descriptions.asyncapi import asyncapi_document
from headcount.ops.descriptions.schemas import Document
from ingest.batch import Partition
from ingest.events.decoding import RecordDecoder
from ingest.kafka.dead_letters import abridged, fitting
from ingest.ports import DeadLetter, Headers
from tests.support.fakes_log import FakeRecord

FOLDER = Path("docs/reference/descriptions")
FILES = {"event": "event.schema.json", "asyncapi": "asyncapi.json", "openapi": "openapi.json"}
ASYNCAPI = asyncapi_document("user-activity")
MESSAGES = ASYNCAPI["components"]["messages"]
LETTER = DeadLetter(
    partition=Partition("user-activity", 3),
    record=FakeRecord(value=b"x", headers=[("trace", b"1")], offset=7),
    reason="not-json",
    error="no JSON",
)


def described(subject: str, **environment: str) -> str:
    result = CliRunner(env=environment).invoke(app, ["describe", subject])
    assert result.exit_code == 0
    return result.stdout


@pytest.mark.parametrize("subject", FILES)
def test_the_committed_description_is_the_generated_one(subject: str) -> None:
    """Where it is not: `headcount describe event > docs/reference/descriptions/event.schema.json`."""
    assert described(subject) == (FOLDER / FILES[subject]).read_text()


def test_no_description_is_left_out() -> None:
    assert {each.name for each in FOLDER.iterdir()} == set(FILES.values())


def test_the_topics_are_those_of_the_settings() -> None:
    channels = json.loads(described("asyncapi", KAFKA_TOPIC="logins"))["channels"]
    assert [each["address"] for each in channels.values()] == ["logins", "logins.dlq"]


def nodes(document: object) -> Iterator[Document]:
    """Walk through all objects of a document."""
    if isinstance(document, dict):
        yield document
        document = list(document.values())
    for each in document if isinstance(document, list) else []:
        yield from nodes(each)


def test_every_reference_leads_somewhere_and_every_component_is_referred_to() -> None:
    references = {node["$ref"] for node in nodes(ASYNCAPI) if "$ref" in node}
    components = {
        f"#/components/{kind}/{name}" for kind, named in ASYNCAPI["components"].items() for name in named
    }
    channels = {f"#/channels/{name}" for name in ASYNCAPI["channels"]}
    assert references == components | channels


def examples() -> Iterator[tuple[str, Document]]:
    for name, message in MESSAGES.items():
        for example in message.get("examples", []):
            yield f"{name}-{example['name']}", example


@pytest.mark.parametrize("example", [pytest.param(each, id=name) for name, each in examples()])
def test_every_example_is_read_as_the_same_moment(example: Document) -> None:
    headers = [(name, text.encode()) for name, text in example.get("headers", {}).items()]
    record = FakeRecord(value=json.dumps(example["payload"]).encode(), headers=headers)
    partition = Partition("user-activity", 0)
    result = RecordDecoder(max_event_bytes=65_536).decode(partition, [record], datetime.now(UTC))
    assert result.letters == []
    (event,) = result.events
    assert event.workspace_id == "acme"
    assert event.occurred_at == datetime(2024, 5, 17, 12, 0, 0, 250_000, UTC)


def test_every_message_that_is_read_has_an_example() -> None:
    read = ASYNCAPI["channels"]["activity"]["messages"]
    assert all(MESSAGES[name]["examples"] for name in read)


@pytest.mark.parametrize("name", [name for name, message in MESSAGES.items() if "examples" in message])
def test_every_example_is_valid_by_its_message(name: str) -> None:
    for example in MESSAGES[name]["examples"]:
        assert is_valid(MESSAGES[name]["payload"], example["payload"])
        assert is_valid(MESSAGES[name].get("headers", {}), example.get("headers", {}))


@pytest.mark.parametrize(
    ("name", "headers"),
    [("dead-letter", fitting(LETTER).headers), ("dead-letter-abridged", abridged(LETTER).headers)],
)
def test_the_headers_of_a_letter_are_as_described(name: str, headers: Headers) -> None:
    texts = {header: (value or b"").decode() for header, value in headers}
    assert is_valid(MESSAGES[name]["headers"], texts)
    for header in texts:
        rest = {each: text for each, text in texts.items() if each != header}
        assert is_valid(MESSAGES[name]["headers"], rest) == (header == "trace")


def is_valid(schema: Document, instance: object) -> bool:
    whole = {**schema, "components": ASYNCAPI["components"]}
    return jsonschema_rs.Draft202012Validator(whole, validate_formats=True).is_valid(instance)
