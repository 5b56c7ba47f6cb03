"""Reads recorded activity: a text file, plain or gzipped, of minutes, workspaces and users."""

import gzip
import re
import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

import orjson

from ingest.errors import OperatorError

LINE_FORM: Final = "2012-01-01T01:25 workspace user, with tabs between them, in the order of time"

_match_line = re.compile(
    r"(?P<minute>\d{4}-\d\d-\d\dT\d\d:\d\d)\t"
    r"(?P<workspace_id>[A-Za-z0-9._-]{1,64})\t"
    r"(?P<user_id>[^\t\n\x00\ud800-\udfff]{1,128})\n?",  # surrogates stand for bytes that are not UTF-8
    re.ASCII,
).fullmatch


class Activity(NamedTuple):
    """One activity of one person; `occurred_at` is in UTC."""

    occurred_at: datetime
    workspace_id: str
    user_id: str


@dataclass(frozen=True, slots=True)
class Survey:
    """The number of lines of a recording, and its last minute."""

    lines: int
    last: datetime


def survey(path: Path) -> Survey:
    """Count a recording's lines, without checking each; raises `OperatorError` as `read` does."""
    tail = deque(enumerate(_lines(path), start=1), maxlen=1)
    if not tail:
        raise OperatorError(f"{path} holds no activity; expected are lines of the form {LINE_FORM}.")
    lines, line = tail[0]
    return Survey(lines, next(_parse(path, [line], first=lines)).occurred_at)


def read(path: Path) -> Iterator[Activity]:
    """Read a recording line by line, in constant memory.

    Raises `OperatorError`, with the file and the line, if a line is malformed or out of order.
    """
    return _parse(path, _lines(path), first=1)


def encode(activity: Activity, event_type: str) -> bytes:
    """Return the activity as an event, the value of a record."""
    event = {
        "workspace_id": activity.workspace_id,
        "user_id": activity.user_id,
        "occurred_at": activity.occurred_at,
        "type": event_type,
    }
    return orjson.dumps(event, option=orjson.OPT_UTC_Z)


def shifted(activities: Iterable[Activity], days: int) -> Iterator[Activity]:
    """Move every activity by whole days."""
    shift = timedelta(days=days)
    return (Activity(occurred_at + shift, *who) for occurred_at, *who in activities)


def _lines(path: Path) -> Iterator[str]:
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        if not path.is_dir() and path.exists() and not path.is_file():
            raise OperatorError(
                f"{path} is a pipe or a device, but a recording is read twice: save it to a file first."
            )
        with opened(path, "rt", encoding="utf-8", errors="surrogateescape") as file:
            yield from file
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise OperatorError(f"{path} is not a complete gzip file: {error}.") from error
    except OSError as error:
        raise OperatorError(f"{path} can't be read: {error.strerror}.") from error


def _parse(path: Path, lines: Iterable[str], first: int) -> Iterator[Activity]:
    text, minute = "", datetime.min.replace(tzinfo=UTC)
    for number, line in enumerate(lines, start=first):
        form = _match_line(line)
        if form is None:
            raise OperatorError(f"{path}:{number} is not of the form {LINE_FORM}.")
        if form["minute"] != text:  # the lines of a minute are adjacent: parse it once
            text, earlier = form["minute"], minute
            minute = _instant(text, f"{path}:{number}")
            if minute < earlier:
                raise OperatorError(f"{path}:{number} is earlier than the line before it.")
        yield Activity(minute, form["workspace_id"], form["user_id"])


def _instant(text: str, where: str) -> datetime:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError as error:
        raise OperatorError(f"{where} has an invalid minute: {error}.") from error
