"""The sentences for a start that the machine refuses."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ingest.errors import OperatorError

DISK_FULL: Final = "No space left on device"


@contextmanager
def refusing_system_errors(folder: Path) -> Iterator[None]:
    """Turn what the system refuses in the folder into a `OperatorError` that says what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OperatorError(full(folder)) from error
        raise OperatorError(
            f"{error.filename or folder}: {error.strerror or error}. "
            f"The folder {folder} must be one that this user can write to; set another if it can't be."
        ) from error


def full(folder: Path) -> str:
    """Say that the disk is full."""
    return f"The disk that holds {folder} is full. Free some room, then start again."
