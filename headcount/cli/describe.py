"""`headcount describe`: what Headcount reads and answers, for machines."""

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
    """What can be described."""

    EVENT = "event"
    ASYNCAPI = "asyncapi"
    OPENAPI = "openapi"


def describe(
    subject: Annotated[Subject, typer.Argument(help="The event's schema, the topics, or the HTTP API.")],
) -> None:
    """Print a description in JSON: a JSON Schema of the `event`, or an `asyncapi` or `openapi` document.

    The topics are those of the settings.

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
