"""The event: its schema, and the typed, validated decoding of a record's value."""

import re
from datetime import UTC, datetime
from typing import Annotated, Final, Literal

import msgspec

WORKSPACE_ID_FORM: Final = r"^[A-Za-z0-9._-]{1,64}\Z"  # \Z: a `$` lets a trailing newline pass
USER_ID_MAX_CHARACTERS: Final = 128

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


class Event(msgspec.Struct, frozen=True, gc=False):
    """One sign of life of one person.

    `user_id` is None for an anonymous user. `occurred_at` is aware and in UTC; it decides the day, never the
    time of arrival. Fields that are not named here are ignored, so that producers may add some.
    """

    workspace_id: str
    occurred_at: Annotated[datetime, msgspec.Meta(tz=True)]
    type: str
    user_id: str | None = None


class NotAnEventError(ValueError):
    """A record's value is no event; `reason` says which rule it breaks, the message says where."""

    def __init__(self, reason: DeadLetterReason, message: str) -> None:
        super().__init__(message)
        self.reason: DeadLetterReason = reason


class _Instant(msgspec.Struct):
    occurred_at: str


_decoder = msgspec.json.Decoder(Event)
_instant_decoder = msgspec.json.Decoder(_Instant)
_is_workspace_id = re.compile(WORKSPACE_ID_FORM).match
_is_rfc3339 = re.compile(
    r"^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.(?P<fraction>\d+))?(?:[Zz]|[+-]\d\d:\d\d)\Z", re.ASCII
).match
_FIELDS: Final[dict[str, type | tuple[type, ...]]] = {
    "workspace_id": str,
    "occurred_at": str,
    "type": str,
    "user_id": (str, type(None)),
}
_MICROSECOND_DIGITS: Final = 6


def decode(value: bytes) -> Event:
    """Decode a record's value, raising `NotAnEventError` where it breaks the schema."""
    try:
        event = _decoder.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _explain(value, error) from error
    if not _is_workspace_id(event.workspace_id):
        raise NotAnEventError("wrong-form", "workspace_id must be 1 to 64 of A-Z a-z 0-9 . _ -")
    if event.user_id is not None and not 1 <= len(event.user_id) <= USER_ID_MAX_CHARACTERS:
        raise NotAnEventError("wrong-form", f"user_id must be 1 to {USER_ID_MAX_CHARACTERS} characters")
    # The decoder rounds a fraction beyond microseconds, which at midnight would move the event to the next
    # day, and it takes offsets without a colon, which RFC 3339 does not have.
    if event.occurred_at.tzinfo is not UTC or _may_need_strictness(value):
        return _with_strict_instant(event, value)
    return event


def _may_need_strictness(value: bytes) -> bool:
    """Tell whether an instant in UTC may be rounded up or end in +0000; an escape may hide either."""
    return b".999999" in value or b'0000"' in value or b"\\" in value


def _with_strict_instant(event: Event, value: bytes) -> Event:
    text = _instant_decoder.decode(value).occurred_at
    form = _is_rfc3339(text)
    if form is None:
        raise NotAnEventError("wrong-form", "occurred_at must be RFC 3339 with Z or an offset")
    fraction = form["fraction"] or ""
    truncated = text.replace(f".{fraction}", f".{fraction[:_MICROSECOND_DIGITS]}") if fraction else text
    try:
        instant = datetime.fromisoformat(truncated.upper()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise NotAnEventError("wrong-form", f"occurred_at is no instant: {error}") from error
    return msgspec.structs.replace(event, occurred_at=instant)


def _explain(value: bytes, error: Exception) -> NotAnEventError:
    """Sort a decoding error into its reason; only bad values pay for this second look."""
    try:
        document = msgspec.json.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as malformed:
        return NotAnEventError("not-json", str(malformed))
    if not isinstance(document, dict):
        return NotAnEventError("not-an-object", f"expected a JSON object, got {type(document).__name__}")
    for field, types in _FIELDS.items():
        if field not in document and field != "user_id":
            return NotAnEventError("missing-field", f"{field} is missing")
        if not isinstance(document.get(field), types):
            return NotAnEventError("wrong-type", f"{field} must be a string")
    return NotAnEventError("wrong-form", str(error))
