"""The CloudEvent that tells of activity: its attributes, and its data."""

from typing import Annotated, Literal

import msgspec

from ingest.event import UserId, WorkspaceId
from ingest.instant import InstantText

_Named = Annotated[str, msgspec.Meta(min_length=1)]


class Person(msgspec.Struct, frozen=True):
    """The data of a CloudEvent that tells of activity; other fields of it are ignored."""

    workspace_id: WorkspaceId
    user_id: UserId | None = None


class Attributes(msgspec.Struct, frozen=True, kw_only=True):
    """The attributes that are read: those that the specification requires, and `time`, which we do."""

    specversion: Literal["1.0"]
    id: _Named
    source: _Named
    type: Annotated[_Named, msgspec.Meta(description="Stands for the event's `type`.")]
    time: InstantText
    datacontenttype: str | None = None


class Envelope(Attributes, frozen=True, kw_only=True):
    """A CloudEvent in structured mode."""

    data: Person
    data_base64: None = None
