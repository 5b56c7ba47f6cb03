"""The fake Redis: a store, the scripts that run on it, and what may ail a server."""

from collections.abc import Callable, Sequence
from datetime import datetime

from redis import exceptions

from tests.simulation.redis_scripts import SCRIPTS, Reply, apply, restart, rewind, window
from tests.simulation.store import Store


def refused() -> Exception:
    return exceptions.ConnectionError("Connection refused")


def loading() -> Exception:
    return exceptions.BusyLoadingError("Redis is loading the dataset in memory")


def timed_out() -> Exception:
    return exceptions.TimeoutError("Timeout reading from socket")


def full() -> Exception:
    return exceptions.OutOfMemoryError("command not allowed when used memory > 'maxmemory'.")


def read_only() -> Exception:
    return exceptions.ReadOnlyError("You can't write against a read only replica.")


def misconfigured() -> Exception:
    return exceptions.ResponseError("MISCONF Errors writing to the AOF file: No space left on device")


class Observer:
    """Observes what happens in a server; this one ignores it."""

    def on_change(self) -> None:
        """Something was written."""

    def on_loss(self) -> None:
        """The newest state is gone, or all of it."""

    def on_step(self, caller: str, args: Sequence[bytes], reply: Reply) -> None:
        """A client applied a batch, with this reply."""

    def on_rewind_asked(self, caller: str, partition: bytes) -> None:
        """A client moved a checkpoint, or had its partition catch up."""

    def on_rewind(self, partition: bytes, expected: int, to: int) -> None:
        """It was done: the checkpoint was the expected one, and is now the other."""

    def on_restart(self) -> None:
        """Every checkpoint was put to the beginning of another topic."""

    def on_window(self, reply: Reply) -> None:
        """A reader got this answer."""


class RedisServer:
    """One server for all clients. `clock` gives its time of day, aware."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self.store = Store(check_write=self._check_write, now=lambda: clock().timestamp())
        self.no_writes: Callable[[], Exception] | None = None
        self.observer = Observer()

    def time(self) -> tuple[int, int]:
        """Return seconds and microseconds, as the command TIME does."""
        now = self._clock()
        return int(now.timestamp()), now.microsecond

    def run_script(self, caller: str, text: str, keys: Sequence[bytes], args: Sequence[bytes]) -> Reply:
        script = SCRIPTS[text]
        try:
            reply = script(self.store, keys, args)
        finally:
            has_written = self._end_transaction()  # a script that fails midway keeps what it wrote
        if script is window:
            self.observer.on_window(reply)
        elif script is apply:
            self.observer.on_step(caller, args, reply)
        elif script is rewind:
            self.observer.on_rewind_asked(caller, args[0])
            if has_written:
                self.observer.on_rewind(args[0], int(args[1]), int(args[2]))
        elif script is restart and has_written:
            self.observer.on_restart()
        return reply

    def run_transaction(self, commands: Sequence[Callable[[Store], object]]) -> list[object]:
        try:
            return [command(self.store) for command in commands]
        finally:
            self._end_transaction()

    def flush(self) -> None:
        """Lose everything."""
        self.store.flush()
        self.store.end_transaction()
        self.observer.on_loss()

    def spoil(self, key: bytes) -> None:
        """Have an operator's mistake take the place of a counter that is not there yet."""
        self.store.spoil(key)
        self.store.end_transaction()

    def repair(self) -> None:
        """Remove what is of a wrong type."""
        self.store.repair()
        self.store.end_transaction()

    def roll_back(self, length: int) -> None:
        """Lose the newest state."""
        self.store.roll_back(length)
        self.observer.on_loss()

    def _end_transaction(self) -> bool:
        """Tell whether anything was written."""
        has_written = self.store.end_transaction()
        if has_written:
            self.observer.on_change()
        return has_written

    def _check_write(self) -> None:
        if self.no_writes is not None:
            raise self.no_writes()
