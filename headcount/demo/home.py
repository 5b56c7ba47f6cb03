"""The home folder: one Headcount at a time, and files that only their owner may read."""

import errno
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from ingest.errors import OperatorError


@contextmanager
def occupied(home: Path) -> Iterator[Path]:
    """Make the folder where it is missing, and hold it; raises `OperatorError` if another Headcount does."""
    with _open_lock(home) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OperatorError(
                f"Another Headcount is running in {home}. Stop it first, or set another HEADCOUNT_HOME."
            ) from error
        yield home


def _open_lock(home: Path) -> IO[str]:
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        return (home / "lock").open("a")
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OperatorError(
                f"The disk that holds {home} is full. Free some room, then start again."
            ) from error
        raise OperatorError(
            f"{error.filename or home}: {error.strerror}. "
            f"The folder {home} must be one that this user can write to; HEADCOUNT_HOME chooses another."
        ) from error


def write_private(path: Path, document: Mapping[str, Any]) -> None:
    """Write JSON as `write_private_text` does."""
    write_private_text(path, json.dumps(document, indent=2) + "\n")


def write_private_text(path: Path, text: str) -> None:
    """Write what only its owner may read; a reader sees the old file or the new one, never a part."""
    unfinished = path.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)  # one that was left behind may have another mode
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def read_private(path: Path) -> Mapping[str, Any]:
    """Read such a file; one that is missing or damaged holds nothing."""
    try:
        document = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}
