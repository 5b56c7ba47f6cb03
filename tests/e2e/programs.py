"""Programs as a user starts them: their output, what they answer, and how they end."""

import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from tests.support.waiting import scaled

ROOT: Final = Path(__file__).parents[2]
STOP_SECONDS: Final = 10.0

_OURS: Final = (
    "HEADCOUNT_", "KAFKA_", "REDIS_", "HTTP_", "METRICS_", "WORKER_", "API_",
    "LOG_", "TIME_ZONE", "RETENTION_", "USER_ID_", "IGNORED_",
)  # fmt: skip
_FREE_PORTS: Final = {"HTTP_PORT": "0", "WORKER_METRICS_PORT": "0", "API_METRICS_PORT": "0"}
_INTERVAL_SECONDS: Final = 0.05

T = TypeVar("T")


class Program:
    """A running program in a process group of its own; `output` is the file that both its streams go to."""

    def __init__(self, process: subprocess.Popen[bytes], output: Path) -> None:
        self._process = process
        self._output = output

    def read(self) -> str:
        return self._output.read_text()

    def wait_for(self, condition: Callable[[], T | None], *, deadline_seconds: float) -> T:
        """Return what the condition returns once that is true; the program must run on meanwhile."""
        seconds = scaled(deadline_seconds)
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            assert self._process.poll() is None, f"it ended by itself:\n{self.read()}"
            assert time.monotonic() < deadline, f"gave up after {seconds:g} s:\n{self.read()}"
            time.sleep(_INTERVAL_SECONDS)
        return found

    def end(self, *, deadline_seconds: float) -> int:
        """Wait until the program ends by itself, and return its exit code."""
        return self._process.wait(scaled(deadline_seconds))

    def stop(self, number: signal.Signals = signal.SIGTERM, *, pid: int | None = None) -> int:
        """Signal the program, or one of its children, and return the program's exit code."""
        os.kill(pid or self._process.pid, number)
        return self._process.wait(scaled(STOP_SECONDS))

    def press_ctrl_c(self) -> None:
        """Signal the whole group, as a terminal does, and wait for the program's end."""
        os.killpg(self._process.pid, signal.SIGINT)
        self._process.wait(scaled(STOP_SECONDS))


@contextmanager
def started(
    command: Sequence[str], *, environ: Mapping[str, str], folder: Path, output: Path
) -> Iterator[Program]:
    """Start a program; what is left of its group at the end is killed."""
    with output.open("wb") as file:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield Program(process, output)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def plain_environ(**config: str) -> dict[str, str]:
    """Return this environment without what configures Headcount, with free ports, and with the settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    return kept | _FREE_PORTS | config


def get(url: str, headers: Mapping[str, str]) -> tuple[int, Any]:
    """Ask a running API."""
    request = urllib.request.Request(url, headers=dict(headers))  # noqa: S310 - an API of our own
    try:
        with urllib.request.urlopen(request, timeout=scaled(5)) as response:  # noqa: S310 - an API of our own
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)
