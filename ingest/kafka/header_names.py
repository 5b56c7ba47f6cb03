"""Reads and writes header names that are not UTF-8: Kafka accepts any bytes, aiokafka only text.

In a `Record`, a lone surrogate stands for each byte of a name that is not UTF-8, as in Python's file names
(`surrogateescape`). Published again, the name has the same bytes.
"""

from typing import Any, Final

from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record import default_records

from ingest.ports import Headers

ERRORS: Final = "surrogateescape"
_NO_PRODUCER: Final = -1


def decode_name(name: bytes) -> str:
    """Return the name as text that `encode_name` turns back into the same bytes."""
    return name.decode(errors=ERRORS)


def encode_name(name: str) -> bytes:
    """Return a name's bytes in Kafka."""
    return name.encode(errors=ERRORS)


def are_text(headers: Headers) -> bool:
    """Return whether every name is UTF-8."""
    return all(name.isascii() or encode_name(name) == name.encode(errors="replace") for name, _ in headers)


class AnyNamesBatch(BatchBuilder):  # type: ignore[misc]  # aiokafka ships no types
    """A batch of one message that may have any bytes as header names, and neither key nor value.

    aiokafka's compiled builder accepts names only as text; the one in Python asks each name for its bytes.
    `codec` is Kafka's number of a compression type, 0 for none.
    """

    def __init__(self, *, key: bytes | None, value: bytes | None, headers: Headers, codec: int = 0) -> None:
        no_limit = 0  # the first message of a batch is accepted at any size
        super().__init__(no_limit, codec)
        self._builder: Any = default_records._DefaultRecordBatchBuilderPy(  # noqa: SLF001
            2,
            codec,
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
    """A header name that encodes to its own bytes when asked for UTF-8."""

    __slots__ = ()

    def encode(self, *_how: str) -> bytes:
        return super().encode("utf-8", ERRORS)
