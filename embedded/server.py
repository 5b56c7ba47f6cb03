"""A server as a child process: its start, its end, and nothing of it left behind."""

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
from embedded.refusals import DISK_FULL, full, is_full, refusing_system_errors
from embedded.waiting import becomes_true
from embedded.watchdog import Watchdog
from ingest.errors import OperatorError

_log = structlog.get_logger(__name__)


class EmbeddedServer(ABC):
    """One server on one folder, that can be started again on the same data after any end.

    Everything of it is in `home/<name>/`, except its log, `home/<name>.log`. The process belongs to no event
    loop, so each method may be called from another.
    """

    name: ClassVar[str]
    start_within_seconds: float = 60.0
    """A start that takes longer is refused. Long enough to load or mend what a crash left."""

    _telling_line: ClassVar[re.Pattern[str]]

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
        """The port on the loopback interface; known once the server was started, and kept from then on."""
        if self._port is None:
            raise RuntimeError(f"{self.name} has no port before its first start")
        return self._port

    @property
    def pid(self) -> int | None:
        """The number of the server's process while it runs."""
        return self._child.pid if self._child is not None and self.is_running else None

    @property
    def is_running(self) -> bool:
        """Whether the server's process is there, suspended or not."""
        return self._child is not None and self._child.poll() is None

    async def start(self) -> None:
        """Start the server and return once it serves; raises `OperatorError` with what stands against it."""
        if not self.is_running:
            self._let_go()  # of a server that ended by itself
        with refusing_system_errors(self.folder):
            # Closed to others: configuration files in it may hold passwords.
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            claim = Claim(self.folder)
            await claim.take()
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
        """Ask the server to end, and end it once the time is up. One that has ended already is no error."""
        try:
            if self._child is not None and self.is_running:
                self._child.terminate()
                self._child.send_signal(signal.SIGCONT)  # a suspended one could not hear the request
                await becomes_true(lambda: not self.is_running, within_seconds)
                _log.info("embedded server stopped", server=self.name, in_time=not self.is_running)
        finally:
            self.kill()  # what is left: of a server that took too long, or of a stop that was cut short

    def kill(self) -> None:
        """End the server at once, as a crash would."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()
        self._let_go()

    def suspend(self) -> None:
        """Stop the server's clock: it stays connected, and answers nothing."""
        self._send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a suspended server go on."""
        self._send(signal.SIGCONT)

    @abstractmethod
    async def _prepare(self) -> Sequence[str]:
        """Lay out the folder, and return the server's command line."""

    @abstractmethod
    def _is_serving(self) -> bool:
        """Whether the running process answers its clients."""

    async def _start_claimed(self) -> None:
        self._spawn(await self._prepare())
        if not await becomes_true(self._has_ended_or_serves, self.start_within_seconds):
            raise OperatorError(
                f"{self.name} did not serve within {self.start_within_seconds:g} s. Its log: {self.log_path}"
            )
        if not self.is_running:
            raise self._death()

    async def _run_to_end(self, command: Sequence[str]) -> None:
        """Run a program of the server's that prepares its data."""
        self._spawn(command)
        if not await becomes_true(lambda: not self.is_running, self.start_within_seconds):
            raise OperatorError(f"{self.name} could not prepare its data in time. Its log: {self.log_path}")
        if self._child is not None and self._child.returncode:
            raise self._death()

    def _spawn(self, command: Sequence[str]) -> None:
        if self._claim is None:
            raise RuntimeError("a server is only spawned on a claimed folder")
        with self.log_path.open("ab") as log:
            self._log_start = log.tell()
            self._child = subprocess.Popen(  # noqa: S603 - a command line of our own
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={"LC_ALL": "C.UTF-8"},  # ours may hold secrets, and options that change how Java runs
                start_new_session=True,  # a terminal's Ctrl-C reaches only us, who end the servers in order
                pass_fds=[self._claim.descriptor],
            )
        self._claim.name_server(self._child.pid)

    def _has_ended_or_serves(self) -> bool:
        return not self.is_running or self._is_serving()

    def _listens(self) -> bool:
        """Whether it is the server's own process, and no other, that listens on the port."""
        pid = self.pid
        try:
            connections = psutil.Process(pid).net_connections("tcp") if pid else ()
        except psutil.NoSuchProcess:
            return False
        return any(each.status == psutil.CONN_LISTEN and each.laddr.port == self.port for each in connections)

    def _death(self) -> OperatorError:
        lines = self._log_lines()
        # On a full disk the log may have had no room for the reason either.
        if any(DISK_FULL in line for line in lines) or is_full(self.folder):
            return OperatorError(full(self.folder))
        telling = [line for line in lines if self._telling_line.search(line)] or lines or ["it wrote nothing"]
        return OperatorError(f"{self.name} ended while starting: {telling[-1]}. Its log: {self.log_path}")

    def _log_lines(self) -> list[str]:
        with self.log_path.open("rb") as log:
            log.seek(self._log_start)
            text = log.read().decode(errors="replace")
        return [line.strip().rstrip(".") for line in text.splitlines() if line.strip()]

    def _send(self, number: signal.Signals) -> None:
        if self._child is None or not self.is_running:
            raise RuntimeError(f"{self.name} is not running")
        self._child.send_signal(number)

    def _let_go(self) -> None:
        if self._claim is not None:
            self._claim.release()
            self._claim = None
        if self._watchdog is not None:
            self._watchdog.dismiss()
            self._watchdog = None
