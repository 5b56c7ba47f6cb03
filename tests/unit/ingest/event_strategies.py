"""Hypothesis strategies: events in any spelling that JSON and RFC 3339 allow, and what they decode to."""

import json
import string
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from random import Random

from hypothesis import strategies as st

from ingest.events.event import Event

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
DAY_SECONDS = 86_400
FIELDS = {"workspace_id", "user_id", "occurred_at", "type"}
SHORT_ESCAPES = {"/": "\\/", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


@dataclass(frozen=True)
class SpelledEvent:
    """The bytes of a record, and the event they must decode to."""

    value: bytes
    event: Event


@dataclass(frozen=True)
class SpelledInstant:
    text: str
    instant: datetime


@st.composite
def instants(draw: st.DrawFn) -> SpelledInstant:
    """Spell an instant with any offset and any number of fraction digits; those after the sixth are cut."""
    day = draw(st.dates(date(2, 1, 1), date(9998, 12, 30)))
    second = draw(st.integers(0, DAY_SECONDS - 1) | st.just(DAY_SECONDS - 1))
    local = datetime.combine(day, time(), UTC) + timedelta(seconds=second)
    digits = draw(st.text("0123456789", max_size=30) | st.integers(1, 30).map("9".__mul__))
    offset = draw(st.just(0) | st.integers(-23 * 60 - 59, 23 * 60 + 59) | st.sampled_from([-210, 345, 840]))
    zone = draw(st.sampled_from("Zz")) if offset == 0 and draw(st.booleans()) else _offset_text(offset)
    separator = draw(st.sampled_from("Tt "))
    fraction = f".{digits}" if digits else ""
    text = f"{local:%H:%M:%S}{fraction}{zone}"
    microseconds = int(digits[:6].ljust(6, "0"))
    instant = local + timedelta(microseconds=microseconds) - timedelta(minutes=offset)
    return SpelledInstant(f"{local.date().isoformat()}{separator}{text}", instant)


@st.composite
def spelled_events(draw: st.DrawFn) -> SpelledEvent:
    """Spell an event: fields in any order and among unknown ones, spaces, escapes."""
    when = draw(instants())
    event = Event(
        workspace_id=draw(st.text(string.ascii_letters + string.digits + "._-", min_size=1, max_size=64)),
        user_id=draw(st.none() | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=128)),
        type=draw(TEXT),
        occurred_at=when.instant,
    )
    fields: dict[str, object] = {
        "workspace_id": event.workspace_id,
        "type": event.type,
        "occurred_at": when.text,
    }
    if event.user_id is not None or draw(st.booleans()):
        fields["user_id"] = event.user_id
    unknown = draw(st.dictionaries(TEXT.filter(lambda name: name not in FIELDS), JSON, max_size=3))
    order = draw(st.permutations([*fields.items(), *unknown.items()]))
    return SpelledEvent(_spell_object(order, draw(st.randoms(use_true_random=False))).encode(), event)


def _spell_object(fields: list[tuple[str, object]], choice: Random) -> str:
    members = (
        _space(choice)
        + _spell_string(name, choice)
        + _space(choice)
        + ":"
        + _space(choice)
        + _spell(value, choice)
        for name, value in fields
    )
    return _space(choice) + "{" + (_space(choice) + ",").join(members) + _space(choice) + "}" + _space(choice)


def _spell(value: object, choice: Random) -> str:
    return _spell_string(value, choice) if isinstance(value, str) else json.dumps(value)


def _spell_string(text: str, choice: Random) -> str:
    often = choice.choice([0.0, 0.1, 1.0])
    return '"' + "".join(_spell_character(each, choice, often) for each in text) + '"'


def _spell_character(character: str, choice: Random, often: float) -> str:
    if choice.random() >= often and character not in '"\\' and character >= " ":
        return character
    if character in SHORT_ESCAPES and choice.random() < 1 / 2:
        return SHORT_ESCAPES[character]
    units = character.encode("utf-16-be")
    form = choice.choice(["\\u{:04x}", "\\u{:04X}"])
    return "".join(form.format(int.from_bytes(units[at : at + 2])) for at in range(0, len(units), 2))


def _space(choice: Random) -> str:
    return choice.choice(["", "", " ", "\n\t\r "])


def _offset_text(minutes: int) -> str:
    hours, rest = divmod(abs(minutes), 60)
    return f"{'-' if minutes < 0 else '+'}{hours:02}:{rest:02}"
