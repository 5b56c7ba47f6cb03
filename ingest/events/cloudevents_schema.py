"""The CloudEvent that tells of activity: its attributes, and its data."""

from typing import Annotated, Final, Literal

import msgspec

from ingest.events.event import UserId, UserType, WorkspaceId
from ingest.events.instant import InstantText

_WORD: Final = "[A-Za-z0-9!#$&^_.+-]+"
JSON_MEDIA_TYPE: Final = f"{_WORD}/({_WORD}[+])?[Jj][Ss][Oo][Nn]"
"""A media type, without its parameters, of what is JSON."""

_Named = Annotated[str, msgspec.Meta(min_length=1)]
_DataContentType = Annotated[
    str,
    # Published only: the decoder names what it found instead.
    msgspec.Meta(
        description="The media type of the data, which must be JSON; without it, it is application/json.",
        extra_json_schema={"pattern": f"^{JSON_MEDIA_TYPE} *(;|$)"},
    ),
]


class Person(msgspec.Struct, frozen=True):
    """The data of a CloudEvent that tells of activity; other fields of it are ignored."""

    workspace_id: WorkspaceId
    user_id: UserId | None = None
    user_type: UserType | None = None


class Attributes(msgspec.Struct, frozen=True, kw_only=True):
    """The attributes that are read: those that the specification requires, and `time`, which we do."""

    specversion: Literal["1.0"]
    id: _Named
    source: _Named
    type: Annotated[_Named, msgspec.Meta(description="Stands for an event's `type`.")]
    time: Annotated[InstantText, msgspec.Meta(title="Stands for an event's `occurred_at`.")]
    datacontenttype: _DataContentType | None = None


class Envelope(Attributes, frozen=True, kw_only=True):
    """A CloudEvent in structured mode."""

    data: Person
    data_base64: None = None
