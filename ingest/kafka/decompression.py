"""Bounds on decompression: by itself, aiokafka gives a few KB of the log as much memory as they ask for."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, partial
from mmap import mmap
from threading import Lock
from typing import Final

import cramjam
from aiokafka.record.default_records import DefaultRecordBatch, _DefaultRecordBatchPy
from aiokafka.record.legacy_records import LegacyRecordBatch

MEGABYTE: Final = 1 << 20
BATCH_BYTES: Final = 16 * MEGABYTE
"""What a batch may hold: producers and brokers stop at 1 MB unless told otherwise, some at 10 MB."""
POLL_BYTES: Final = 2 * BATCH_BYTES
"""What the batches of one poll may hold together: it can meet a thousand that each keep to their bound."""

XERIAL: Final = b"\x82SNAPPY\x00"
"""How snappy begins where Java wrote it: after 16 bytes, blocks follow, each after its length."""
XERIAL_HEADER_BYTES: Final = 16
XERIAL_LENGTH_BYTES: Final = 4

NO_ROOM: Final = ("failed to write whole buffer", "smaller than required")
"""How cramjam says that the output did not fit: it has one class for all its errors."""

Into = Callable[[bytes, memoryview], int]
"""Decompresses into a buffer, and returns how much of it was taken."""


class TooLargeError(Exception):
    """A batch, or the batches of a poll, take more room decompressed than a worker has for them."""


@dataclass(slots=True)
class RateLimitStatus:
    """What may still be decompressed within a poll."""

    left: int

    def take(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise TooLargeError(f"more than {POLL_BYTES // MEGABYTE} MB decompressed in one poll")


_allowance: ContextVar[RateLimitStatus | None] = ContextVar("allowance", default=None)


@contextmanager
def one_poll() -> Iterator[None]:
    """Bound what this task's polls of a consumer decompress in here."""
    token = _allowance.set(RateLimitStatus(POLL_BYTES))
    try:
        yield
    finally:
        _allowance.reset(token)


def is_poll_full() -> bool:
    """Tell whether one more batch might be more than is left for this poll."""
    rate_limit_status = _allowance.get()
    return rate_limit_status is not None and rate_limit_status.left < BATCH_BYTES


class Decoder:
    """Decompresses into one buffer, of which the system gives memory only as far as it was ever filled."""

    def __init__(self) -> None:
        self._room = memoryview(mmap(-1, BATCH_BYTES))  # a bytearray would be filled with zeros at once
        self._turn = Lock()  # while cramjam works, it lets other threads run

    def decode(self, codec: str, into: Into, payload: bytes) -> bytes:
        """Return what a batch holds; raises `TooLargeError`, and cramjam's error where it is damaged."""
        with self._turn:
            try:
                size = into(payload, self._room)
            except cramjam.DecompressionError as error:
                if not any(sign in str(error) for sign in NO_ROOM):
                    raise
                raise TooLargeError(
                    f"a batch of {len(payload)} bytes is more than {BATCH_BYTES // MEGABYTE} MB"
                    f" once {codec} is undone"
                ) from error
            decoded = bytes(self._room[:size])
        if rate_limit_status := _allowance.get():
            rate_limit_status.take(size)
        return decoded


@cache
def install_bounded_decompression() -> None:
    """Have every consumer of this program decompress within bounds, from now on.

    aiokafka has neither a setting nor a hook for it, but looks its decoders up by name, in the modules of its
    batches, whenever it needs one. Those modules are compiled or not: the classes in use know. The one in
    Python is used in any case, for batches that the compiled one does not decode.
    """
    decoder = Decoder()
    for batch in (DefaultRecordBatch, LegacyRecordBatch, _DefaultRecordBatchPy):
        for codec, into in INTO.items():
            decode = partial(decoder.decode, codec, into)
            setattr(sys.modules[batch.__module__], f"{codec}_decode", decode)


def _snappy_into(payload: bytes, room: memoryview) -> int:
    written = 0
    for block in _snappy_blocks(payload):
        written += cramjam.snappy.decompress_raw_into(block, room[written:])
    return written


def _snappy_blocks(payload: bytes) -> Iterator[bytes]:
    if not payload.startswith(XERIAL):
        yield payload
        return
    position = XERIAL_HEADER_BYTES
    while position < len(payload):
        start = position + XERIAL_LENGTH_BYTES
        position = start + int.from_bytes(payload[position:start], "big", signed=True)
        yield payload[start:position]  # nothing where the length is below zero, which cramjam refuses


INTO: Final[dict[str, Into]] = {
    "gzip": cramjam.gzip.decompress_into,
    "snappy": _snappy_into,
    "lz4": cramjam.lz4.decompress_into,
    "zstd": cramjam.zstd.decompress_into,
}
