"""Servers that a killed test run has left behind: the next run ends them, as nobody else would find them."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from embedded.claim import Claim
from ingest.errors import OperatorError

_SERVERS = frozenset({"java", "valkey-server"})


def end_leftovers(root: Path) -> None:
    """End every embedded server on a folder under `root` whose run is dead, and no other."""
    for lock in _held_locks(root):
        with suppress(OperatorError), asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            runner.run(_take_and_release(lock.parent))


async def _take_and_release(folder: Path) -> None:
    claim = Claim(folder)
    await claim.acquire()
    claim.release()


def _held_locks(root: Path) -> Iterator[Path]:
    for process in psutil.process_iter(["name"]):
        if process.info["name"] in _SERVERS:
            with suppress(psutil.Error):
                paths = [Path(file.path) for file in process.open_files()]
                yield from (path for path in paths if path.name == "lock" and path.is_relative_to(root))
