"""The worker and the API as child processes, and what they log."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from tests.support.waiting import wait_until


class Process:
    """`headcount <command>` with exactly the environment given, logging JSON lines to a file."""

    def __init__(
        self, command: str, environment: Mapping[str, str], log_path: Path, *, module: str = "headcount"
    ) -> None:
        self.log_path = log_path
        self._module = module
        self._command = command
        self._environment = environment
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def name(self) -> str:
        """The name of its log file, which tells it from others."""
        return self.log_path.stem

    @property
    def is_running(self) -> bool:
        """Whether it is there, suspended or not."""
        return self._child is not None and self._child.poll() is None

    @property
    def exit_code(self) -> int | None:
        """What it ended with, None while it runs."""
        return None if self._child is None else self._child.poll()

    def memory(self) -> int:
        """How many bytes of memory it holds."""
        return 0 if self._child is None else int(psutil.Process(self._child.pid).memory_info().rss)

    def peak_memory(self) -> int:
        """How many bytes of memory it has held at most, as Linux counts them."""
        if self._child is None:
            return 0
        status = Path(f"/proc/{self._child.pid}/status").read_text()
        (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024

    def start(self) -> None:
        """Start it, without waiting for anything; its log goes on where it was."""
        with self.log_path.open("ab") as log:
            self._child = subprocess.Popen(
                [sys.executable, "-m", self._module, self._command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={"PATH": os.environ["PATH"], **self._environment},
                start_new_session=True,
            )

    def send(self, number: signal.Signals) -> None:
        """Send a signal: SIGSTOP and SIGCONT suspend it and let it go on."""
        if self._child is not None:
            self._child.send_signal(number)

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()

    async def stop(self) -> None:
        """Ask it to end, and wait for that."""
        self.send(signal.SIGTERM)
        await self.ended()

    async def ended(self, deadline_seconds: float = 15.0) -> None:
        """Wait until it has ended by itself."""
        await wait_until(
            lambda: not self.is_running,
            deadline_seconds=deadline_seconds,
            message=f"{self.name} ended; its log: {self.log_path}",
        )

    def log_size(self) -> int:
        """Where its log ends now; `lines` takes it as a beginning."""
        return self.log_path.stat().st_size if self.log_path.exists() else 0

    def lines(self, since: int = 0) -> list[dict[str, Any]]:
        """Read its log lines; one that is no JSON is `{"event": <the line>, "level": "unstructured"}`."""
        if not self.log_path.exists():
            return []
        text = self.log_path.read_bytes()[since:].decode(errors="replace")
        return [_parse(line) for line in text.splitlines() if line.strip()]

    async def logged(self, event: str, since: int = 0, deadline_seconds: float = 20.0) -> dict[str, Any]:
        """Wait for a log line of that name, and return it."""
        found: list[dict[str, Any]] = []

        def look() -> bool:
            found[:] = [line for line in self.lines(since) if line["event"] == event]
            return bool(found)

        await wait_until(
            look, deadline_seconds=deadline_seconds, message=f"{self.name} logged {event!r}: {self.log_path}"
        )
        return found[0]


def _parse(line: str) -> dict[str, Any]:
    try:
        parsed = json.loads(line)
    except ValueError:
        parsed = None
    return parsed if isinstance(parsed, dict) else {"event": line, "level": "unstructured"}
