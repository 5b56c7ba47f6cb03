"""A small disk, to be filled."""

import errno
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

CHUNK: Final = bytes(65_536)


def may_mount() -> bool:
    """Say whether this process may mount a file system."""
    unshare = shutil.which("unshare")
    return unshare is not None and subprocess.run([unshare, "--mount", "true"], check=False).returncode == 0


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[None]:
    """Mount an empty disk of that size at `folder`, for a while."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill_disk(filler: Path) -> None:
    """Write a file until nothing more fits beside it."""
    with filler.open("wb", buffering=0) as file:
        for size in (len(CHUNK), 1):
            try:
                while file.write(CHUNK[:size]):
                    pass
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
