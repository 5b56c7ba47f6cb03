"""The watchdog: a small process that ends a server when its owner was killed.

It reads from a pipe that the owner keeps open. The kernel closes the pipe however the owner exits, including
by SIGKILL, on every system and whichever thread started the server.
"""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO, Final

from embedded.claim import Claim
from ingest.errors import OperatorError

# Imports are deferred until they are needed, so that an idle watchdog costs 10 MB and 20 ms.
_PROGRAM: Final = """
import sys
sys.stdin.buffer.read()
from embedded.watchdog import end_server
end_server(sys.argv[1])
"""


class Watchdog:
    """The watchdog for the server in a folder; it writes to the log of the server."""

    def __init__(self, folder: Path, log: BinaryIO) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - a fixed command line
            [sys.executable, "-I", "-c", _PROGRAM, str(folder)],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            cwd="/",
            env={"LC_ALL": "C.UTF-8"},
            start_new_session=True,  # signals to the owner's process group or terminal must not reach it
        )

    @property
    def pid(self) -> int:
        """The pid of the watchdog."""
        return self._process.pid

    def dismiss(self) -> None:
        """End the watchdog; the server must have ended."""
        self._process.kill()
        self._process.communicate()


def end_server(folder: str) -> None:
    """End the server in the folder if its owner is gone; the server of a new owner is left running."""
    try:
        asyncio.run(Claim(Path(folder)).end_leftover())
    except OperatorError as error:
        sys.exit(f"watchdog: {error}")
