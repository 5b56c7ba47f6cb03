"""Where request heads end in the bytes of a connection: what aiohttp's parser knows and does not tell."""

from typing import Final

_END: Final = b"\r\n\r\n"
_BLANK: Final = b"\r\n"
_EDGE_BYTES: Final = len(_END) - 1


class Heads:
    """Counts the heads of one connection as its bytes come in, however they are cut.

    It looks for nothing but the empty line that ends a head. That is enough, since nothing else comes between
    two heads: a connection ends after a request with a body. Whatever is malformed, aiohttp's parser refuses.
    """

    __slots__ = ("_edge", "_passed", "is_open", "longest")

    def __init__(self) -> None:
        self._passed = 0  # bytes of the open head that come before the edge
        self._edge = b""  # the open head's last bytes, which may be the beginning of its end
        self.is_open = False
        """Whether a head has begun and not ended."""
        self.longest = 0
        """Bytes of the longest head that the last piece ended or went on with."""

    def feed(self, piece: bytes) -> int:
        """Take the next bytes, and count the heads that end in them; empty lines before a head are none."""
        size = len(piece) - len(_END)
        # The usual piece is one whole head.
        if not self.is_open and 0 < size == piece.find(_END) and piece[0] not in _BLANK:
            self.longest = size
            return 1
        return self._feed_parts(piece)

    def _feed_parts(self, piece: bytes) -> int:
        *ended, rest = (self._edge + piece).split(_END)
        sizes = [len(part) for part in (*ended, rest)]
        sizes[0] += self._passed
        # What passed of an open head was more than empty lines, even if only the end of its end comes now.
        heads = sum(
            1 for size, part in zip(sizes, ended, strict=False) if size > len(part) or part.strip(_BLANK)
        )
        self.longest = max(sizes)
        self._edge = rest[-_EDGE_BYTES:]
        self.is_open = bool(rest)
        self._passed = sizes[-1] - len(self._edge)
        return heads
