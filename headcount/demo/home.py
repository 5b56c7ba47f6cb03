"""The home folder of the embedded servers: its lock, its private files and its hash key."""

import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from embedded.locks import try_lock
from embedded.refusals import system_errors_named
from ingest.errors import OperatorError
from projector.pseudonyms import KEY_MIN_CHARACTERS


@contextmanager
def lock_home(home: Path) -> Iterator[Path]:
    """Create the folder if it is missing and lock it; child processes do not inherit the lock.

    Raises `OperatorError` if another process holds the lock or the folder can't be used.
    """
    with system_errors_named(home):
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = (home / "lock").open("a")
    with file:
        if not try_lock(file.fileno()):
            raise OperatorError(
                f"Another Headcount is running in {home}. Stop it first, or set another HEADCOUNT_HOME."
            )
        yield home


def write_private(path: Path, document: Mapping[str, Any]) -> None:
    """Write JSON like `write_private_text`."""
    write_private_text(path, json.dumps(document, indent=2) + "\n")


def write_private_text(path: Path, text: str) -> None:
    """Replace a file atomically by one that only its owner can read."""
    unfinished = path.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)  # a leftover may have another mode
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def read_private(path: Path) -> Mapping[str, Any]:
    """Read a file of `write_private`; a missing or damaged file is an empty document."""
    try:
        document = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


NAME: Final = "user-id-hash-key"
KEY_BYTES: Final = 32


def key_file(home: Path) -> Path:
    """Return the path of the home folder's hash key, in the form of a secret file; create a missing key.

    Raises `OperatorError` for a file without a key: existing counters can't be used with a new one.
    """
    path = home.absolute() / NAME
    if not path.exists():
        write_private_text(path, f"{secrets.token_hex(KEY_BYTES)}\n")
    read_key(path)
    return path


def read_key(path: Path) -> str:
    """Return the key in a file; raises `OperatorError` if it contains none."""
    key = path.read_text(encoding="utf-8").strip("\r\n")
    if len(key) < KEY_MIN_CHARACTERS:
        raise OperatorError(
            f"{path} contains no key of at least {KEY_MIN_CHARACTERS} characters. Restore the file or remove "
            "it together with the data of Kafka and Valkey in the same folder to start from scratch."
        )
    return key
