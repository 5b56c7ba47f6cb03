"""Decodes batches that Kafka accepts and aiokafka does not, in the way of Kafka's Java client.

A broker validates the lengths in a record, but neither the bytes of a header name, which may not be UTF-8,
nor the attributes of a record, which aiokafka reads as a varint although they are one byte.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from aiokafka.errors import CorruptRecordException
from aiokafka.record import default_records
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import decode_varint

from ingest.kafka.header_names import decode_name

UNDECODED: Final = (CorruptRecordException, IndexError, ValueError)
"""Raised by aiokafka for a record that it can't decode; `UnicodeDecodeError` is a `ValueError`."""
FIRST_MAGIC: Final = 2
"""The first format of batches with headers."""
_OVERHEAD: Final = struct.calcsize(">qi")
_LENGTH_AT: Final = struct.calcsize(">q")
_MAGIC_AT: Final = struct.calcsize(">qii")
_WORD: Final = 1 << 64


@dataclass(frozen=True, slots=True)
class LenientRecord:
    """A record with the attributes of aiokafka's."""

    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
    checksum: None = None


class LenientRecords:
    """Replaces aiokafka's `MemoryRecords`: the fetched bytes of a partition, read batch by batch."""

    def __init__(self, data: bytes) -> None:
        self._records = MemoryRecords(data)
        self._data = memoryview(data)
        self._position = 0

    def size_in_bytes(self) -> int:
        size: int = self._records.size_in_bytes()
        return size

    def has_next(self) -> bool:
        return bool(self._records.has_next())

    def next_batch(self) -> Any:  # noqa: ANN401  aiokafka's own type, or one like it
        start = self._position
        batch = self._records.next_batch()
        (length,) = struct.unpack_from(">i", self._data, start + _LENGTH_AT)
        self._position = start + _OVERHEAD + length
        if self._data[start + _MAGIC_AT] < FIRST_MAGIC:  # aiokafka's older batches have no such attribute
            return batch
        return _Batch(batch, self._data[start : self._position])


class _Batch:
    """aiokafka's batch, with the bytes to decode it from if aiokafka can't."""

    def __init__(self, batch: Any, data: memoryview) -> None:  # noqa: ANN401  aiokafka's own type
        self._batch = batch
        self._data = data

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  any attribute of aiokafka's
        return getattr(self._batch, name)

    def __next__(self) -> Any:  # noqa: ANN401  aiokafka's own type
        return next(self._batch)

    def __iter__(self) -> Iterator[Any]:
        try:
            yield from self._batch
        except UNDECODED:
            yield from _decode(self._data)  # from the first record: aiokafka skips offsets it has passed


def _decode(data: memoryview) -> Iterator[LenientRecord]:
    """Decode a batch; raises `CorruptRecordException`."""
    batch = default_records._DefaultRecordBatchPy(data)  # noqa: SLF001
    iter(batch)  # decompresses
    position = batch._pos  # noqa: SLF001  the decompressed bytes have no public name
    for _ in range(batch._num_records):  # noqa: SLF001
        record, position = _read(batch, position)
        yield record


def _read(batch: Any, position: int) -> tuple[LenientRecord, int]:  # noqa: ANN401  aiokafka's own type
    buffer: bytearray = batch._buffer  # noqa: SLF001
    fields = _Fields(buffer, position)
    try:
        length = fields.number()
        end = fields.position + length
        fields.position += 1  # the attributes, which are not in use
        delta = fields.number()
        offset = batch.base_offset + fields.number()
        key, value = fields.content(), fields.content()
        headers = [(fields.name(), fields.content()) for _ in range(fields.count(length))]
    except (IndexError, ValueError) as error:
        raise CorruptRecordException("A record ends before its length") from error
    if fields.position != end or end > len(buffer):
        raise CorruptRecordException(f"A record of {length} bytes holds {length + fields.position - end}")
    has_stamp = batch.timestamp_type == batch.LOG_APPEND_TIME
    timestamp = batch.max_timestamp if has_stamp else _word(batch.first_timestamp + delta)
    return LenientRecord(offset, timestamp, batch.timestamp_type, key, value, headers), end


class _Fields:
    """Reads the fields of a record in their order."""

    def __init__(self, buffer: bytearray, position: int) -> None:
        self.position = position
        self._buffer = buffer

    def number(self) -> int:
        number, self.position = decode_varint(self._buffer, self.position)
        return int(number)

    def count(self, most: int) -> int:
        count = self.number()
        if not 0 <= count <= most:
            raise CorruptRecordException(f"A record has {count} headers")
        return count

    def content(self) -> bytes | None:
        length = self.number()
        return None if length < 0 else self._read(length)

    def name(self) -> str:
        length = self.number()
        if length < 0:
            raise CorruptRecordException("A header has no name")
        return decode_name(self._read(length))

    def _read(self, length: int) -> bytes:
        start, self.position = self.position, self.position + length
        if self.position > len(self._buffer):
            raise CorruptRecordException("A record ends before its length")
        return bytes(self._buffer[start : self.position])


def _word(number: int) -> int:
    """Wrap a number to 64 bits with a sign, as Java's addition does."""
    return (number + _WORD // 2) % _WORD - _WORD // 2
