"""Output to a terminal: after the terminal is closed it is dropped, and the command keeps running."""

import errno
import io
import sys
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_CLOSED: Final = frozenset({errno.EIO, errno.ENXIO})


def ignore_closed_terminal() -> None:
    """Drop output to a closed terminal, because an error there must not prevent a clean stop.

    SIGHUP stops a command whose terminal is closed; under `nohup` and `disown` it keeps running.
    """
    sys.stdout = _ignoring_closed(sys.stdout)
    sys.stderr = _ignoring_closed(sys.stderr)


class _Terminal(io.FileIO):
    def write(self, data: "ReadableBuffer") -> int:
        try:
            return super().write(data)
        except OSError as error:
            if error.errno not in _CLOSED:
                raise
            return memoryview(data).nbytes


def _ignoring_closed(stream: TextIO) -> TextIO:
    if not stream.isatty():
        return stream
    stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(_Terminal(stream.fileno(), "w", closefd=False)),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=True,
    )
