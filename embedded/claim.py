"""The claim on the folder of a server: one server per folder, and leftovers of killed runs are ended."""

import os
import signal
from pathlib import Path
from typing import Final, Self

import msgspec
import psutil
import structlog

from embedded.locks import try_lock
from embedded.waiting import becomes_true
from ingest.errors import OperatorError

_log = structlog.get_logger(__name__)

_SECONDS_TO_END: Final = 5.0
_SECONDS_OF_BRIEF_HOLDERS: Final = 1.0
_RECORD_BYTES: Final = 256
_CLOCK_SECONDS: Final = 2.0  # start times derive from the system clock, which may be set


class _Process(msgspec.Struct, frozen=True):
    pid: int
    created: float

    @classmethod
    def of(cls, pid: int) -> Self:
        return cls(pid, psutil.Process(pid).create_time())

    def find(self) -> psutil.Process | None:
        """Return the process if it still runs and is not a newer one with the same pid."""
        try:
            process = psutil.Process(self.pid)
            if process.status() == psutil.STATUS_ZOMBIE:  # it has ended but is not reaped
                return None
            return process if abs(process.create_time() - self.created) < _CLOCK_SECONDS else None
        except psutil.NoSuchProcess:
            return None


class _Record(msgspec.Struct, frozen=True):
    owner: _Process
    server: _Process | None = None


class Claim:
    """A locked file in the folder of a server, with the pids of the owner and of the server.

    The server inherits the open file, so the lock is held until both have ended: the kernel prevents a second
    server on the folder, even after the owner was killed and the server was not.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)

    async def acquire(self) -> None:
        """Lock the folder, ending the server of a killed run; raises `OperatorError` if a run holds it."""
        try:
            while not self._lock():
                await self._end_leftover()
            self._write(_Record(_Process.of(os.getpid())))
        except BaseException:
            self.release()
            raise

    async def end_leftover(self) -> None:
        """End the server of a killed run without keeping the folder; a server in use is left running."""
        try:
            # An owner that is exiting has closed its files but remains a process for a moment.
            if await becomes_true(self._is_left, _SECONDS_TO_END) and not self._lock():
                await self._end_leftover()
        finally:
            self.release()

    @property
    def descriptor(self) -> int:
        """The file descriptor that the server inherits."""
        return self._descriptor

    def name_server(self, pid: int) -> None:
        """Record the server, so that the next run finds it if this one is killed."""
        self._write(_Record(_Process.of(os.getpid()), _Process.of(pid)))

    def release(self) -> None:
        """Release the folder; the server must have ended."""
        os.close(self._descriptor)

    def _lock(self) -> bool:
        return try_lock(self._descriptor)

    def _is_left(self) -> bool:
        record = self._read()
        return self._lock() or not (record and record.owner.find())

    async def _end_leftover(self) -> None:
        record = self._read()
        if record is None or record.owner.find():
            raise OperatorError(self._in_use(record))
        leftover = record.server.find() if record.server else None
        if leftover is None:
            # The server may be ending, or its watchdog checks the folder; either holds the lock only briefly.
            if await becomes_true(self._lock, _SECONDS_OF_BRIEF_HOLDERS):
                return
            raise OperatorError(self._in_use(None))
        _log.warning("ending server of a killed run", folder=str(self._folder), pid=leftover.pid)
        await self._end(leftover)

    async def _end(self, leftover: psutil.Process) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                leftover.send_signal(number)
                leftover.send_signal(signal.SIGCONT)  # a stopped process handles no other signal
            except psutil.NoSuchProcess:
                return
            # Wait for the lock, not for the process table: a process that is never reaped stays there.
            if await becomes_true(self._lock, _SECONDS_TO_END):
                return
        raise OperatorError(
            f"Process {leftover.pid} still uses {self._folder} and could not be ended. End it first."
        )

    def _in_use(self, record: _Record | None) -> str:
        holder = f"process {record.owner.pid}" if record else "another process"
        return f"{self._folder} is in use by {holder}. End it first, or set another home folder."

    def _read(self) -> _Record | None:
        try:
            return msgspec.json.decode(os.pread(self._descriptor, _RECORD_BYTES, 0), type=_Record)
        except msgspec.MsgspecError:
            return None

    def _write(self, record: _Record) -> None:
        # One write of a fixed length: readers see either the old or the new record.
        os.pwrite(self._descriptor, msgspec.json.encode(record).ljust(_RECORD_BYTES), 0)
