"""Where request heads end in the bytes of a connection: what aiohttp's parser knows and does not tell."""

from typing import Final

_END: Final = b"\r\n\r\n"
_BLANK: Final = b"\r\n"
_EDGE_BYTES: Final = len(_END) - 1


class RequestFraming:
    """Counts the heads of one connection as its bytes come in, however they are cut.

    It looks for nothing but the empty line that ends a head. That is enough, since nothing else comes between
    two heads: a connection ends after a request with a body. Whatever is malformed, aiohttp's parser refuses.
    """

    __slots__ = ("_edge", "longest", "open_bytes")

    def __init__(self) -> None:
        self._edge = b""  # the open head's last bytes, which may be the beginning of its end
        self.open_bytes = 0
        """Bytes of the head that has begun and not ended; 0 where there is none."""
        self.longest = 0
        """Bytes of the longest head that ended in the last piece."""

    def feed(self, piece: bytes) -> int:
        """Take the next bytes, and count the heads that end in them; empty lines before a head are none."""
        size = len(piece) - len(_END)
        # The usual piece is one whole head.
        if not self.open_bytes and 0 < size == piece.find(_END):
            self.longest = size
            return 1
        return self._feed_parts(piece)

    def _feed_parts(self, piece: bytes) -> int:
        passed = self.open_bytes - len(self._edge)
        *ended, rest = (self._edge + piece).split(_END)
        sizes = [len(part) for part in (*ended, rest)]
        sizes[0] += passed
        # What passed of an open head was more than empty lines, even if only the end of its end comes now.
        heads = sum(
            1 for size, part in zip(sizes, ended, strict=False) if size > len(part) or part.strip(_BLANK)
        )
        self.open_bytes = sizes.pop()
        self.longest = max(sizes, default=0)
        self._edge = rest[-_EDGE_BYTES:]
        return heads
