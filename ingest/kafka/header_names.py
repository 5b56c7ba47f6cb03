"""Header names that are not UTF-8: Kafka takes any bytes, while aiokafka reads and writes only text.

In a `Record` such a name is text in which a lone surrogate stands for each byte that is not UTF-8, as Python
itself has file names (`surrogateescape`). Published again, it is the same bytes.
"""

from typing import Any, Final

from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy

from ingest.ports import Headers

ERRORS: Final = "surrogateescape"
_NO_PRODUCER: Final = -1


def decode_name(name: bytes) -> str:
    """Return the name as text, from which `encode_name` makes the same bytes."""
    return name.decode(errors=ERRORS)


def encode_name(name: str) -> bytes:
    """Return the bytes that a name has in Kafka."""
    return name.encode(errors=ERRORS)


def are_text(headers: Headers) -> bool:
    """Return whether every name is UTF-8."""
    return all(name.isascii() or encode_name(name) == name.encode(errors="replace") for name, _ in headers)


class AnyNamesBatch(BatchBuilder):  # type: ignore[misc]  # aiokafka ships no types
    """A batch of one message whose header names may be any bytes, and which may lack both key and value.

    aiokafka's compiled builder of batches takes names only as text; the one in Python asks each name for its
    bytes.
    """

    def __init__(self, *, key: bytes | None, value: bytes | None, headers: Headers) -> None:
        no_limit, no_compression = 0, 0  # a first message is never too large for a batch
        super().__init__(no_limit, no_compression)
        self._builder: Any = _DefaultRecordBatchBuilderPy(
            2,
            no_compression,
            is_transactional=0,
            producer_id=_NO_PRODUCER,
            producer_epoch=_NO_PRODUCER,
            base_sequence=0,
            batch_size=no_limit,
        )
        named = [(_Name(name), content) for name, content in headers]
        self.append(timestamp=None, key=key, value=value, headers=named)
        self.close()


class _Name(str):
    """A header name that gives its own bytes to whatever asks for UTF-8."""

    __slots__ = ()

    def encode(self, *_how: str) -> bytes:
        return super().encode("utf-8", ERRORS)
