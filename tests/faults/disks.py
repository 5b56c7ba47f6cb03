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
def small_disk(folder: Path, size: int) -> Iterator[None]:
    """Mount an empty disk of that many bytes at `folder`, for a while."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def bytes_under(folder: Path) -> int:
    """Sum up the sizes of a folder's files."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


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
