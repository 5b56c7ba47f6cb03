"""Ends a server whose owner was killed: a small process that waits for the owner's end.

It holds the reading end of a pipe that the owner keeps open. The kernel closes the pipe however the owner
ends, SIGKILL included, on every system and whichever thread started the server.
"""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO, Final

from embedded.claim import Claim
from ingest.errors import OperatorError

# Imports are left until they are needed: the process costs 10 MB and 20 ms, also where nothing ever happens.
_PROGRAM: Final = """
import sys
sys.stdin.buffer.read()
from embedded.watchdog import end_server
end_server(sys.argv[1])
"""


class Watchdog:
    """A watchdog of this process for the server in a folder; its messages go to the server's log."""

    def __init__(self, folder: Path, log: BinaryIO) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - a command line of our own
            [sys.executable, "-I", "-c", _PROGRAM, str(folder)],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            cwd="/",
            env={"LC_ALL": "C.UTF-8"},
            start_new_session=True,  # signals to the owner's group or terminal must not reach it
        )

    @property
    def pid(self) -> int:
        """The number of the watchdog's process."""
        return self._process.pid

    def dismiss(self) -> None:
        """End the watchdog; the server must have ended."""
        self._process.kill()
        self._process.communicate()


def end_server(folder: str) -> None:
    """End the server in the folder if its owner is gone; a folder that a new owner holds is left alone."""
    try:
        asyncio.run(Claim(Path(folder)).end_leftover())
    except OperatorError as error:
        sys.exit(f"watchdog: {error}")
