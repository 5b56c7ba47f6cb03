"""The terminal that a command writes to: output after it was closed is dropped, and the command runs on."""

import errno
import io
import sys
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_CLOSED: Final = frozenset({errno.EIO, errno.ENXIO})


def outlive_terminal() -> None:
    """Drop what is written to a terminal that was closed: an error there must keep no stop from happening.

    SIGHUP is what ends a command whose terminal is closed; under `nohup` and `disown` it runs on.
    """
    sys.stdout = _outliving(sys.stdout)
    sys.stderr = _outliving(sys.stderr)


class _Terminal(io.FileIO):
    def write(self, data: "ReadableBuffer") -> int:
        try:
            return super().write(data)
        except OSError as error:
            if error.errno not in _CLOSED:
                raise
            return memoryview(data).nbytes


def _outliving(stream: TextIO) -> TextIO:
    if not stream.isatty():
        return stream
    stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(_Terminal(stream.fileno(), "w", closefd=False)),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=True,
    )
