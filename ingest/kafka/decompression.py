"""Bounds the memory of decompression; aiokafka has no limit, and a few KB can expand to gigabytes."""

import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, partial
from mmap import mmap
from threading import Lock
from typing import Final

import cramjam
from aiokafka.record import default_records, legacy_records

MEGABYTE: Final = 1 << 20
BATCH_BYTES: Final = 16 * MEGABYTE
"""The bound for one batch. Producers and brokers limit batches to 1 MB by default; some are set to 10 MB."""
POLL_BYTES: Final = 2 * BATCH_BYTES
"""The bound for all batches of one poll, which can read a thousand batches within their own bound."""

XERIAL: Final = b"\x82SNAPPY\x00"
"""The magic bytes of Java's snappy format: a header of 16 bytes, then blocks preceded by their length."""
XERIAL_HEADER_BYTES: Final = 16
XERIAL_LENGTH_BYTES: Final = 4

BUFFER_FULL: Final = ("failed to write whole buffer", "smaller than required")
"""Parts of cramjam's messages if the output does not fit: it has one class for all its errors."""
LEGACY_CODECS: Final = ("gzip", "snappy", "lz4")
"""The codecs of batches in the formats before Kafka 0.11."""

Into = Callable[[bytes, memoryview], int]
"""Decompresses into a buffer and returns the number of bytes written."""


class TooLargeError(Exception):
    """A batch, or the batches of one poll together, exceed their bound once decompressed."""


@dataclass(slots=True)
class PollAllowance:
    """The number of bytes that may still be decompressed in a poll."""

    left: int

    def spend(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise TooLargeError(f"more than {POLL_BYTES // MEGABYTE} MB decompressed in one poll")


_allowance: ContextVar[PollAllowance | None] = ContextVar("allowance", default=None)


@contextmanager
def one_poll(most: int = POLL_BYTES) -> Iterator[None]:
    """Bound the bytes that this task's polls of a consumer decompress in the block."""
    token = _allowance.set(PollAllowance(most))
    try:
        yield
    finally:
        _allowance.reset(token)


def is_poll_full() -> bool:
    """Return whether one more batch could exceed the poll's bound."""
    allowance = _allowance.get()
    return allowance is not None and allowance.left < BATCH_BYTES


class Decoder:
    """Decompresses into one reused buffer; pages that were never written take no memory."""

    def __init__(self) -> None:
        self._buffer = memoryview(mmap(-1, BATCH_BYTES))  # a bytearray would be filled with zeros at once
        self._lock = Lock()  # cramjam releases the GIL

    def decode(self, codec: str, into: Into, payload: bytes) -> bytes:
        """Return a batch's content; raises `TooLargeError`, and cramjam's error if the batch is damaged."""
        with self._lock:
            try:
                size = into(payload, self._buffer)
            except cramjam.DecompressionError as error:
                if not any(sign in str(error) for sign in BUFFER_FULL):
                    raise
                raise TooLargeError(
                    f"a {codec} batch of {len(payload)} bytes exceeds {BATCH_BYTES // MEGABYTE} MB"
                    " decompressed"
                ) from error
            decoded = bytes(self._buffer[:size])
        if allowance := _allowance.get():
            allowance.spend(size)
        return decoded


def _decoders() -> Iterator[tuple[str, str]]:
    """Yield module and codec of each function that decompresses batches for aiokafka.

    The modules are compiled or not; the classes in use name theirs. The one in Python is used in either
    case, for batches that the compiled one does not decode.
    """
    for batch in (default_records.DefaultRecordBatch, default_records._DefaultRecordBatchPy):  # noqa: SLF001
        for codec in INTO:
            yield batch.__module__, codec
    for codec in LEGACY_CODECS:
        yield legacy_records.LegacyRecordBatch.__module__, codec


def decoder_names() -> Collection[str]:
    """Return the names that `install_bounded_decompression` replaces, as `module:name`."""
    return {f"{module}:{codec}_decode" for module, codec in _decoders()}


@cache
def install_bounded_decompression() -> None:
    """Have every consumer of this process decompress within bounds.

    aiokafka looks its decoders up by name in the modules of its batch classes at every use.
    """
    decoder = Decoder()
    for module, codec in _decoders():
        setattr(sys.modules[module], f"{codec}_decode", partial(decoder.decode, codec, INTO[codec]))


def _snappy_into(payload: bytes, buffer: memoryview) -> int:
    written = 0
    for block in _snappy_blocks(payload):
        written += cramjam.snappy.decompress_raw_into(block, buffer[written:])
    return written


def _snappy_blocks(payload: bytes) -> Iterator[bytes]:
    if not payload.startswith(XERIAL):
        yield payload
        return
    position = XERIAL_HEADER_BYTES
    while position < len(payload):
        start = position + XERIAL_LENGTH_BYTES
        position = start + int.from_bytes(payload[position:start], "big", signed=True)
        yield payload[start:position]  # empty if the length is negative; cramjam refuses an empty block


INTO: Final[dict[str, Into]] = {
    "gzip": cramjam.gzip.decompress_into,
    "snappy": _snappy_into,
    "lz4": cramjam.lz4.decompress_into,
    "zstd": cramjam.zstd.decompress_into,
}
