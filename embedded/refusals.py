"""Errors for folders that can't be used and for full disks."""

import asyncio
import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from ingest.errors import OperatorError

DISK_FULL: Final = "No space left on device"

_MIN_FREE_BYTES: Final = 1 << 20
_CHECK_SECONDS: Final = 0.5


@contextmanager
def system_errors_named(folder: Path, *, setting: str = "HEADCOUNT_HOME") -> Iterator[None]:
    """Turn an `OSError` in the folder, which `setting` chooses, into an `OperatorError`."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OperatorError(full(folder)) from error
        raise OperatorError(
            f"{error.filename or folder}: {error.strerror or error}. "
            f"{folder} must be a folder that this user can write to; set {setting} to choose another."
        ) from error


async def raise_on_full_disk(folder: Path, stopping: asyncio.Event) -> None:
    """Raise an `OperatorError` once the folder's disk is full.

    A server on a full disk neither exits nor responds, so its clients would wait.
    """
    while not stopping.is_set():
        if is_full(folder):
            raise OperatorError(full(folder))
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), _CHECK_SECONDS)


def is_full(folder: Path) -> bool:
    """Return whether the disk of the folder has practically no space left."""
    return shutil.disk_usage(folder).free < _MIN_FREE_BYTES


def full(folder: Path) -> str:
    """Return the error message for a full disk."""
    return f"The disk that holds {folder} is full. Free some space, then start again."
