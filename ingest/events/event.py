"""The event: its schema, and the decoding and validation of a record's value."""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC
from operator import attrgetter
from typing import Annotated, Final, Literal, TypeGuard

import msgspec

from ingest.events.instant import Instant, parse_instant

_WORKSPACE_ID: Final = "[A-Za-z0-9._-]{1,64}"
WORKSPACE_ID_FORM: Final = rf"^{_WORKSPACE_ID}\Z"  # \Z: a `$` lets a trailing newline pass
USER_ID_MAX_CHARACTERS: Final = 128
USER_TYPE_MAX_CHARACTERS: Final = 64
DEFAULT_USER_TYPE: Final = "user"

DeadLetterReason = Literal[
    "no-value",
    "too-large",
    "not-json",
    "not-an-object",
    "missing-field",
    "wrong-type",
    "wrong-form",
    "in-the-future",
]

WorkspaceId = Annotated[
    str,
    # The pattern is only published; `decode` checks it at half the cost of a check by msgspec. JSON Schema
    # has no `\Z`; its `$` does not match before a trailing newline.
    msgspec.Meta(
        description="The workspace that the person is in.",
        extra_json_schema={"pattern": f"^{_WORKSPACE_ID}$"},
    ),
]
UserId = Annotated[
    str,
    msgspec.Meta(
        description="The person; null or absent for an anonymous one, who is not counted.",
        min_length=1,
        max_length=USER_ID_MAX_CHARACTERS,
    ),
]
UserType = Annotated[
    str,
    msgspec.Meta(
        description=(
            f"What kind of user it is, like bot, app or guest: {DEFAULT_USER_TYPE} where it is null or "
            "absent. A deployment may leave kinds out."
        ),
        min_length=1,
        max_length=USER_TYPE_MAX_CHARACTERS,
    ),
]


class Event(msgspec.Struct, frozen=True, gc=False):
    """One activity of one user; other fields are ignored, since producers may add some.

    `user_id` is None for an anonymous user. `occurred_at` is aware and in UTC; it alone decides the day, not
    the time of arrival.
    """

    workspace_id: WorkspaceId
    occurred_at: Instant
    type: Annotated[str, msgspec.Meta(description="What the person did; a deployment may leave types out.")]
    user_id: UserId | None = None
    user_type: UserType | None = None


class NotAnEventError(ValueError):
    """A record's value is not an event; `reason` names the violated rule, the message the place."""

    def __init__(self, reason: DeadLetterReason, message: str) -> None:
        super().__init__(message)
        self.reason: DeadLetterReason = reason


class _InstantOnly(msgspec.Struct):
    occurred_at: str


Fields = Mapping[str, type | tuple[type, ...]]
"""The types of each field; a field that may be null may also be absent."""

_FIELDS: Final[Fields] = {
    "workspace_id": str,
    "occurred_at": str,
    "type": str,
    "user_id": (str, type(None)),
    "user_type": (str, type(None)),
}
MALFORMED: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for malformed input."""

_decoder = msgspec.json.Decoder(Event)
_instant_decoder = msgspec.json.Decoder(_InstantOnly)
_workspace_id = attrgetter("workspace_id")
_zone = attrgetter("occurred_at.tzinfo")
is_workspace_id = re.compile(WORKSPACE_ID_FORM).match

_LENIENTLY_READ: Final = (b".999999", b'0000"', b"\\")
"""msgspec rounds fractions beyond microseconds, which at midnight would move the event to the next day, and
accepts offsets without a colon, which RFC 3339 does not. An escape sequence can hide either."""


def decode(value: bytes) -> Event:
    """Decode a record's value; raises `NotAnEventError` if it violates the schema."""
    try:
        event = _decoder.decode(value)
    except MALFORMED as error:
        raise _explain(value, error) from error
    if not is_workspace_id(event.workspace_id):
        raise malformed_workspace_id()
    if event.occurred_at.tzinfo is not UTC or any(form in value for form in _LENIENTLY_READ):
        return _with_strict_instant(event, value)
    return event


def decode_all(values: Sequence[bytes]) -> Sequence[Event | NotAnEventError]:
    """Decode values as `decode` does at a third of its cost; errors take the place of events."""
    found: list[Event | NotAnEventError] = []
    rest = iter(values)
    while len(found) < len(values):
        with suppress(*MALFORMED):
            found.extend(map(_decoder.decode, rest))  # up to the first that can't be decoded
            break
        found.append(_event_or_error(values[len(found)]))
    for index in {*_leniently_read(values), *_irregular(found)}:
        found[index] = _event_or_error(values[index])
    return found


def _event_or_error(value: bytes) -> Event | NotAnEventError:
    try:
        return decode(value)
    except NotAnEventError as error:
        return error


def _leniently_read(values: Sequence[bytes]) -> Sequence[int]:
    """Return the indexes of values whose instant msgspec may have read leniently; mostly none."""
    together = b"".join(values)  # one search through all: searching each costs more than decoding it
    # First the first byte alone: that search is ten times as fast.
    forms = [form for form in _LENIENTLY_READ if form[:1] in together and form in together]
    if not forms:
        return ()
    return [index for index, value in enumerate(values) if any(form in value for form in forms)]


def _irregular(found: Sequence[Event | NotAnEventError]) -> Sequence[int]:
    """Return the indexes of events whose workspace id is malformed, or whose instant is not in UTC."""
    events = found if are_events(found) else [each for each in found if isinstance(each, Event)]
    malformed = {each for each in set(map(_workspace_id, events)) if not is_workspace_id(each)}
    if not malformed and {UTC}.issuperset(map(_zone, events)):
        return ()
    return [
        index
        for index, each in enumerate(found)
        if isinstance(each, Event) and (_zone(each) is not UTC or each.workspace_id in malformed)
    ]


def are_events(found: Sequence[Event | NotAnEventError]) -> TypeGuard[Sequence[Event]]:
    """Return whether none of them is an error."""
    return set(map(type, found)) <= {Event}


def _with_strict_instant(event: Event, value: bytes) -> Event:
    try:
        instant = parse_instant(_instant_decoder.decode(value).occurred_at)
    except ValueError as error:
        raise NotAnEventError("wrong-form", f"occurred_at {error}") from error
    return msgspec.structs.replace(event, occurred_at=instant)


def malformed_workspace_id() -> NotAnEventError:
    return NotAnEventError("wrong-form", "workspace_id must be 1 to 64 of A-Z a-z 0-9 . _ -")


def _explain(value: bytes, error: Exception) -> NotAnEventError:
    """Return the reason of a decoding error; only malformed values pay for this second parse."""
    document = parsed(value)
    flaw = flaw_in(document, _FIELDS)
    if flaw and isinstance(document, dict) and "specversion" in document:
        # Some producers omit the header; the field alone is ambiguous, since an event may have it too.
        return NotAnEventError(flaw.reason, f"{flaw}; a CloudEvent has to say so in a content-type header")
    return flaw or NotAnEventError("wrong-form", str(error))


def parsed(value: bytes) -> object:
    """Parse a value that could not be decoded; raises `NotAnEventError` if it is not JSON."""
    try:
        document: object = msgspec.json.decode(value)
    except MALFORMED as malformed:
        raise NotAnEventError("not-json", str(malformed)) from malformed
    return document


def flaw_in(document: object, fields: Fields) -> NotAnEventError | None:
    """Return an error for the first field that is missing or of a wrong type, None if there is none."""
    if not isinstance(document, dict):
        return NotAnEventError("not-an-object", f"expected a JSON object, got {type(document).__name__}")
    for field, types in fields.items():
        if field not in document and types is str:
            return NotAnEventError("missing-field", f"{field} is missing")
        if not isinstance(document.get(field), types):
            return NotAnEventError("wrong-type", f"{field} must be a string")
    return None
