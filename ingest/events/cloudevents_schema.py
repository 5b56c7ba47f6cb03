"""The schema of an activity CloudEvent: its attributes and its data."""

from typing import Annotated, Final, Literal

import msgspec

from ingest.events.event import UserId, UserType, WorkspaceId
from ingest.events.instant import InstantText

_WORD: Final = "[A-Za-z0-9!#$&^_.+-]+"
JSON_MEDIA_TYPE: Final = f"{_WORD}/({_WORD}[+])?[Jj][Ss][Oo][Nn]"
"""A JSON media type, without parameters."""

_Named = Annotated[str, msgspec.Meta(min_length=1)]
_DataContentType = Annotated[
    str,
    # The pattern is only published: the decoder's own error names the media type that it found.
    msgspec.Meta(
        description="The media type of the data, which must be JSON; without it, it is application/json.",
        extra_json_schema={"pattern": f"^{JSON_MEDIA_TYPE} *(;|$)"},
    ),
]


class Person(msgspec.Struct, frozen=True):
    """The data of an activity CloudEvent; other fields are ignored."""

    workspace_id: WorkspaceId
    user_id: UserId | None = None
    user_type: UserType | None = None


class Attributes(msgspec.Struct, frozen=True, kw_only=True):
    """The attributes in use: those that the specification requires, and `time`, which is required here."""

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
