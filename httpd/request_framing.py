"""The framing of requests: where heads end in the bytes of a connection, and which request lines are valid.

aiohttp's parser reports no ends, and it accepts RTSP/1.0, HTTP/2.0, a line without a version, and several
spaces where RFC 9112, section 3, has one.
"""

import re
from collections import deque
from collections.abc import Sequence
from typing import Final

from httpd.stats import Cause

_END: Final = b"\r\n\r\n"
_LINE_END: Final = b"\r\n"
_EDGE_BYTES: Final = len(_END) - 1
_MAX_LINE_BYTES: Final = 1_048_576  # the maximum of HTTP_MAX_HEAD_BYTES

# A request target is visible ASCII without a fragment.
_GRAMMAR: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ [!\"$-~]+ HTTP/"
_SERVED: Final = re.compile(rb"[\r\n]*" + _GRAMMAR + rb"1\.[01]\r\n")
_OTHER_VERSION: Final = re.compile(_GRAMMAR + rb"[0-9.]+")


class RequestFraming:
    """Counts the heads of one connection as its bytes arrive, in pieces of any size.

    It searches only for the empty line that ends a head. That is enough because heads follow each other
    directly: a connection ends after a request with a body.
    """

    __slots__ = ("_causes", "_edge", "_line", "_line_is_whole", "ends", "longest", "open_bytes")

    def __init__(self) -> None:
        self._edge = b""  # the incomplete head's last bytes, which may begin the empty line
        self._line = bytearray()  # the incomplete head's first line, as far as it was received
        self._line_is_whole = False
        self._causes: deque[Cause | None] = deque()
        self.open_bytes = 0
        """The bytes received of an incomplete head; 0 if there is none."""
        self.longest = 0
        """The bytes of the longest head that ended in the last piece."""
        self.ends: Sequence[int] = ()
        """The positions in the last piece at which heads ended; empty if the piece is one whole head."""

    def feed(self, piece: bytes) -> int:
        """Process the next bytes and return how many heads end in them (not empty lines between heads)."""
        size = len(piece) - len(_END)
        # The usual case: the piece is one whole head.
        if not self.open_bytes and 0 < size == piece.find(_END):
            self.longest = size
            self.ends = ()
            self._causes.append(None if _SERVED.match(piece) else _cause(piece))
            return 1
        return self._feed_parts(piece)

    def next_cause(self) -> Cause | None:
        """Return why the oldest head must be refused for its request line, if it must, and remove that head.

        If no head is complete, the request line received so far is checked: the parser may have refused it.
        """
        return self._causes.popleft() if self._causes else _cause(self._line)

    def _feed_parts(self, piece: bytes) -> int:
        earlier = self.open_bytes - len(self._edge)
        *ended, rest = (self._edge + piece).split(_END)
        self._cut(ended)
        sizes = [len(part) for part in (*ended, rest)]
        sizes[0] += earlier
        heads = 0
        for number, part in enumerate(ended):
            # The earlier part of an incomplete head was more than empty lines, even if only its end is new.
            if sizes[number] > len(part) or part.strip(_LINE_END):
                heads += 1
                self._read_line(part if number else piece)
                self._causes.append(_cause(self._line))
            self._begin_line()
        self._read_line(rest if ended else piece)
        self.open_bytes = sizes.pop()
        self.longest = max(sizes, default=0)
        self._edge = rest[-_EDGE_BYTES:]
        return heads

    def _cut(self, ended: Sequence[bytes]) -> None:
        end = -len(self._edge)
        ends = []
        for part in ended:
            end += len(part) + len(_END)
            ends.append(end)
        self.ends = ends

    def _begin_line(self) -> None:
        self._line.clear()
        self._line_is_whole = False

    def _read_line(self, data: bytes) -> None:
        if self._line_is_whole:
            return
        self._line += data if self._line else data.lstrip(_LINE_END)
        self._line_is_whole = _LINE_END in self._line or len(self._line) > _MAX_LINE_BYTES


def _cause(head: bytes | bytearray) -> Cause | None:
    """Return why a head must be refused for its first line: another version of HTTP, or not HTTP."""
    line = bytes(head).lstrip(_LINE_END).partition(_LINE_END)[0]
    if _SERVED.fullmatch(line + _LINE_END):
        return None
    return Cause.VERSION if _OTHER_VERSION.fullmatch(line) else Cause.BAD_HEAD
