"""The key file: the key that user ids are hashed under on this machine, in the form that settings take."""

import secrets
from pathlib import Path
from typing import Final

from headcount.demo.home import write_private_text
from ingest.errors import OperatorError
from projector.pseudonyms import KEY_MIN_CHARACTERS

NAME: Final = "user-id-hash-key"
KEY_BYTES: Final = 32


def key_file(home: Path) -> Path:
    """Return where the home folder keeps the key; make one where it is missing.

    Raises `OperatorError` for a file without one: a new key in its place would fit no counter that is there.
    """
    path = home.absolute() / NAME
    if not path.exists():
        write_private_text(path, f"{secrets.token_hex(KEY_BYTES)}\n")
    read_key(path)
    return path


def read_key(path: Path) -> str:
    """Return the key in a file; raises `OperatorError` where there is none."""
    key = path.read_text(encoding="utf-8").strip("\r\n")
    if len(key) < KEY_MIN_CHARACTERS:
        raise OperatorError(
            f"{path} holds no key of at least {KEY_MIN_CHARACTERS} characters. Put it back as it was; or "
            "remove it, and the data of Kafka and Valkey beside it, to begin anew."
        )
    return key
