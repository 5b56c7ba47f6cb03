"""A server as a child process: started, stopped and never left behind."""

import re
import signal
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import psutil
import structlog

from embedded.claim import Claim
from embedded.refusals import DISK_FULL, full, is_full, system_errors_named
from embedded.waiting import becomes_true
from embedded.watchdog import Watchdog
from ingest.errors import OperatorError

_log = structlog.get_logger(__name__)


class EmbeddedServer(ABC):
    """One server on one folder; it can be restarted on the same data after any exit.

    Its files are in `home/<name>/`, its log is `home/<name>.log`. The process is bound to no event loop, so
    methods may be called from different loops.
    """

    name: ClassVar[str]
    start_within_seconds: float = 60.0
    """The limit of a start, long enough to load data or to repair it after a crash."""

    _error_line: ClassVar[re.Pattern[str]]

    def __init__(self, home: Path, port: int | None) -> None:
        self.folder = home.absolute() / self.name
        self.log_path = home.absolute() / f"{self.name}.log"
        self._wanted_port = port
        self._port = port
        self._child: subprocess.Popen[bytes] | None = None
        self._claim: Claim | None = None
        self._watchdog: Watchdog | None = None
        self._log_start = 0

    @property
    def port(self) -> int:
        """The port on the loopback interface; known after the first start, and kept."""
        if self._port is None:
            raise RuntimeError(f"{self.name} has no port before its first start")
        return self._port

    @property
    def pid(self) -> int | None:
        """The pid of the server while it runs."""
        return self._child.pid if self._child is not None and self.is_running else None

    @property
    def is_running(self) -> bool:
        """Whether the process exists, suspended or not."""
        return self._child is not None and self._child.poll() is None

    async def start(self) -> None:
        """Start the server and return once it serves; raises `OperatorError` if it can't be started."""
        if not self.is_running:
            self._release()  # the claim of a server that exited by itself
        with system_errors_named(self.folder):
            # Private, because configuration files in it may contain passwords.
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            claim = Claim(self.folder)
            await claim.acquire()
            self._claim = claim
            try:
                with self.log_path.open("ab") as log:
                    self._watchdog = Watchdog(self.folder, log)
                await self._start_claimed()
            except BaseException:
                self.kill()
                raise
        _log.info("embedded server started", server=self.name, port=self.port, pid=self.pid)

    async def stop(self, within_seconds: float = 8.0) -> None:
        """Terminate the server, and kill it after the timeout; a server that has exited is no error."""
        try:
            if self._child is not None and self.is_running:
                self._child.terminate()
                self._child.send_signal(signal.SIGCONT)  # a suspended process does not handle SIGTERM
                await becomes_true(lambda: not self.is_running, within_seconds)
                _log.info("embedded server stopped", server=self.name, in_time=not self.is_running)
        finally:
            self.kill()  # after a timeout or a cancelled stop

    def kill(self) -> None:
        """Kill the server, like a crash."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()
        self._release()

    def suspend(self) -> None:
        """Suspend the process: connections stay open, but nothing is answered."""
        self._send(signal.SIGSTOP)

    def resume(self) -> None:
        """Resume a suspended process."""
        self._send(signal.SIGCONT)

    @abstractmethod
    async def _prepare(self) -> Sequence[str]:
        """Prepare the folder and return the command line of the server."""

    @abstractmethod
    def _is_serving(self) -> bool:
        """Whether the running process serves clients."""

    async def _start_claimed(self) -> None:
        self._spawn(await self._prepare())
        if not await becomes_true(self._has_ended_or_serves, self.start_within_seconds):
            raise OperatorError(
                f"{self.name} did not serve within {self.start_within_seconds:g} s. Its log: {self.log_path}"
            )
        if not self.is_running:
            raise self._start_error()

    async def _run_to_end(self, command: Sequence[str]) -> None:
        """Run a program that prepares the data, and wait for its exit."""
        self._spawn(command)
        if not await becomes_true(lambda: not self.is_running, self.start_within_seconds):
            raise OperatorError(f"{self.name} could not prepare its data in time. Its log: {self.log_path}")
        if self._child is not None and self._child.returncode:
            raise self._start_error()

    def _spawn(self, command: Sequence[str]) -> None:
        if self._claim is None:
            raise RuntimeError("a server can only be spawned on a claimed folder")
        with self.log_path.open("ab") as log:
            self._log_start = log.tell()
            self._child = subprocess.Popen(  # noqa: S603 - a fixed command line
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={"LC_ALL": "C.UTF-8"},  # the own environment may contain secrets and Java options
                start_new_session=True,  # Ctrl-C must reach only the owner, which stops the servers in order
                pass_fds=[self._claim.descriptor],
            )
        self._claim.name_server(self._child.pid)

    def _has_ended_or_serves(self) -> bool:
        return not self.is_running or self._is_serving()

    def _listens(self) -> bool:
        """Whether the process itself listens on the port."""
        pid = self.pid
        try:
            connections = psutil.Process(pid).net_connections("tcp") if pid else ()
        except psutil.NoSuchProcess:
            return False
        return any(each.status == psutil.CONN_LISTEN and each.laddr.port == self.port for each in connections)

    def _start_error(self) -> OperatorError:
        lines = self._log_lines()
        # On a full disk the log may lack the reason.
        if any(DISK_FULL in line for line in lines) or is_full(self.folder):
            return OperatorError(full(self.folder))
        errors = [line for line in lines if self._error_line.search(line)] or lines or ["no output"]
        return OperatorError(f"{self.name} exited during startup: {errors[-1]}. Its log: {self.log_path}")

    def _log_lines(self) -> list[str]:
        with self.log_path.open("rb") as log:
            log.seek(self._log_start)
            text = log.read().decode(errors="replace")
        return [line.strip().rstrip(".") for line in text.splitlines() if line.strip()]

    def _send(self, number: signal.Signals) -> None:
        if self._child is None or not self.is_running:
            raise RuntimeError(f"{self.name} is not running")
        self._child.send_signal(number)

    def _release(self) -> None:
        if self._claim is not None:
            self._claim.release()
            self._claim = None
        if self._watchdog is not None:
            self._watchdog.dismiss()
            self._watchdog = None
