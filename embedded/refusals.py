"""The sentences for a start that the machine refuses."""

import asyncio
import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from ingest.errors import OperatorError

DISK_FULL: Final = "No space left on device"

_ROOM_BYTES: Final = 65536
_LOOK_SECONDS: Final = 0.5


@contextmanager
def refusing_system_errors(folder: Path, *, setting: str = "HEADCOUNT_HOME") -> Iterator[None]:
    """Turn what the system refuses in the folder, which `setting` chooses, into an `OperatorError`."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OperatorError(full(folder)) from error
        raise OperatorError(
            f"{error.filename or folder}: {error.strerror or error}. "
            f"The folder {folder} must be one that this user can write to; {setting} chooses another."
        ) from error


async def refuse_full_disk(folder: Path, stopping: asyncio.Event) -> None:
    """Raise an `OperatorError` once the folder's disk is full.

    A server on a full disk neither ends nor answers as it should, and its clients wait.
    """
    while not stopping.is_set():
        if is_full(folder):
            raise OperatorError(full(folder))
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), _LOOK_SECONDS)


def is_full(folder: Path) -> bool:
    """Return whether the folder's disk has no room that is worth speaking of."""
    return shutil.disk_usage(folder).free < _ROOM_BYTES


def full(folder: Path) -> str:
    """Say that the disk is full."""
    return f"The disk that holds {folder} is full. Free some room, then start again."
