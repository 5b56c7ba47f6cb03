"""`headcount describe`: machine-readable descriptions of events, topics and the HTTP API."""

from enum import Enum
from typing import Annotated

import typer

from api.openapi.document import openapi_document
from headcount.cli.execution import ask
from headcount.cli.output import print_json
from headcount.ops.descriptions.asyncapi import asyncapi_document
from headcount.ops.descriptions.schemas import Document, event_schema
from headcount.wiring import Config


class Subject(Enum):
    """The interfaces that have a description."""

    EVENT = "event"
    ASYNCAPI = "asyncapi"
    OPENAPI = "openapi"


def describe(
    subject: Annotated[Subject, typer.Argument(help="The event schema, the topics or the HTTP API.")],
) -> None:
    """Print the JSON Schema of an `event`, or an `asyncapi` or `openapi` document, as JSON.

    Topic names are taken from the settings.

    Example: `headcount describe event > event.schema.json`
    """

    async def work(config: Config) -> Document:
        return document_of(subject, config)

    print_json(ask(work))


def document_of(subject: Subject, config: Config) -> Document:
    """Generate a description."""
    match subject:
        case Subject.EVENT:
            return event_schema()
        case Subject.ASYNCAPI:
            return asyncapi_document(config.kafka.topic)
        case Subject.OPENAPI:
            return openapi_document()
