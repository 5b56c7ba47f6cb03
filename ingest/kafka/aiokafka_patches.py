"""Patches aiokafka: decompression, decoding, records without copies, no topic creation, rebootstrap.

aiokafka has no setting or hook for any of these, so its classes and functions are replaced in its own
modules, where it looks them up by name. A release that renames one of them would switch a patch off without
an error; `install_patches` therefore checks the installed release before a process opens its first client.
"""

import sys
from collections.abc import Iterator, Mapping
from functools import cache
from inspect import signature
from itertools import islice
from pkgutil import resolve_name
from typing import Any, Final

import aiokafka
from aiokafka import TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder

from ingest.errors import OperatorError
from ingest.kafka.decompression import (
    TooLargeError,
    decoder_names,
    install_bounded_decompression,
    is_poll_full,
    one_poll,
)
from ingest.kafka.header_names import AnyNamesBatch
from ingest.kafka.lenient_batch import LenientRecords
from ingest.kafka.metadata_requests import disallow_topic_creation, install_rebootstrap
from ingest.ports import Record

RECORDS_PER_CHECK: Final = 100
"""Records taken between two checks of the poll's bound."""

_RECORDS: Final = "aiokafka.record.default_records"
_BUILDER: Final = "aiokafka.producer.message_accumulator:BatchBuilder"
PATCHED: Final[Mapping[str, str]] = {
    "aiokafka.consumer.fetcher:MemoryRecords": "",
    "aiokafka.consumer.fetcher:PartitionRecords": (
        "tp records aborted_transactions fetch_offset key_deserializer value_deserializer check_crcs "
        "isolation_level"
    ),
    "aiokafka.consumer.fetcher:PartitionRecords._consumer_record": "self tp record",
    "aiokafka.consumer.fetcher:FetchResult": "tp assignment partition_records backoff",
    "aiokafka.consumer.fetcher:FetchResult.getall": "self max_records",
    "aiokafka.consumer.fetcher:FetchResult.check_assignment": "self tp",
    "aiokafka.consumer.fetcher:FetchResult.has_more": "self",
    "aiokafka.consumer.fetcher:FetchResult._update_position": "self",
    f"{_RECORDS}:DefaultRecordBatch": "",
    f"{_RECORDS}:_DefaultRecordBatchPy": "buffer",
    f"{_RECORDS}:_DefaultRecordBatchBuilderPy": (
        "magic compression_type is_transactional producer_id producer_epoch base_sequence batch_size"
    ),
    "aiokafka.record.legacy_records:LegacyRecordBatch": "",
    _BUILDER: "batch_size compression_type is_transactional key_serializer value_serializer",
    f"{_BUILDER}.append": "self timestamp key value headers",
    f"{_BUILDER}._build": "self",
    "aiokafka.protocol.metadata:MetadataRequest": "topics allow_auto_topic_creation",
    "aiokafka.client:AIOKafkaClient._metadata_update": "self cluster_metadata topics",
    "aiokafka.protocol.metadata:MetadataRequest.build": "self request_struct_class",
}
"""The names in aiokafka that are replaced or called, with their parameters if they are not compiled.
Those of `decoder_names` are checked as well."""

CODECS: Final = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
_LEGACY_CODECS: Final = ("none", "gzip", "snappy", "lz4")
_VALUE: Final = b"canary" * 100
"""Compressible: a builder stores a batch uncompressed if compression does not make it smaller."""
_READ_COMMITTED: Final = 1


@cache
def install_patches() -> None:
    """Patch aiokafka for every client of this process.

    Raises `OperatorError` if the installed aiokafka lacks a name that the patches need, or if a batch does
    not pass through the patched consumer as it should.
    """
    check_names()
    disallow_topic_creation()
    install_rebootstrap()
    install_bounded_decompression()
    install_plain_records()
    check_batches()


def install_plain_records() -> None:
    """Have consumers return a batch's own records, many per call.

    Such a record has what `Record` names, but neither topic nor partition; `getmany` returns those with the
    list. aiokafka's copies of the records cost more than the rest of reading.
    """
    fetcher.MemoryRecords = LenientRecords
    fetcher.PartitionRecords._consumer_record = _return_record  # noqa: SLF001
    fetcher.FetchResult.getall = _get_all


def _return_record(self: Any, tp: Any, record: Record) -> Record:  # noqa: ANN401, ARG001  as aiokafka calls it
    return record


def _get_all(self: Any, max_records: int | None = None) -> list[Record]:  # noqa: ANN401  a `FetchResult`
    """Return up to `max_records` records, fewer if the poll's bound on decompressed bytes is reached."""
    most = sys.maxsize if max_records is None else max_records
    if not self.check_assignment(self._topic_partition) or not self.has_more():
        return []
    rest = self._partition_records._records_iterator  # noqa: SLF001  its own `__next__` is a call per record
    records: list[Record] = []
    is_exhausted = False
    while not is_exhausted and len(records) < most and not is_poll_full():
        wanted = min(RECORDS_PER_CHECK, most - len(records))
        found = list(islice(rest, wanted))
        records += found
        is_exhausted = len(found) < wanted
    self._update_position()
    if is_exhausted:
        self._partition_records = None  # allows the next fetch
    return records


def check_names() -> None:
    """Raise `OperatorError` if a name is missing or takes other parameters than the patches rely on."""
    for name, parameters in PATCHED.items():
        _check_name(name, parameters)
    for name in decoder_names():
        _check_name(name, "")


def _check_name(name: str, parameters: str) -> None:
    module, _, path = name.partition(":")
    owner, _, attribute = path.rpartition(".")
    try:
        found = vars(resolve_name(f"{module}:{owner}"))[
            attribute
        ]  # not `getattr`: a base class may have it too
    except (ImportError, AttributeError, KeyError):
        raise _refusal(f"it lacks {name}") from None
    if parameters and list(signature(found).parameters) != parameters.split():
        raise _refusal(f"the parameters of {name} are {signature(found)}, expected ({parameters})")


def check_batches() -> None:
    """Raise `OperatorError` unless batches of every codec are decoded, and bounded, by the patched consumer.

    The bound is checked with small batches and an even smaller allowance for the poll, which only the bounded
    decoders spend.
    """
    for name, batch, bound in _canaries():
        try:
            values = [record.value for record in _fetch_result(batch).getall()]
        except Exception as error:  # whatever an unknown release raises
            raise _refusal(f"a {name} batch can't be decoded: {error!r}") from error
        if values != [_VALUE]:
            raise _refusal(f"a {name} batch is decoded to something else")
        if bound and not _is_bounded(batch, bound):
            raise _refusal(f"the decompression of a {name} batch is not bounded")


def _canaries() -> Iterator[tuple[str, bytes, int]]:
    """Yield batches of one record: the name of each, its bytes, and an allowance that it exceeds, or 0."""
    once, twice = len(_VALUE) // 2, len(_VALUE) * 3 // 2
    for name, codec in CODECS.items():
        yield name, _build("header", codec), once if codec else 0
        # aiokafka decompresses such a batch and fails; then `LenientRecords` decompresses it again.
        yield f"{name} (header name not UTF-8)", _build("\udcff", codec), twice if codec else 0
    for name in _LEGACY_CODECS:
        builder = LegacyRecordBatchBuilder(magic=1, compression_type=CODECS[name], batch_size=2 * len(_VALUE))
        builder.append(0, timestamp=0, key=None, value=_VALUE)
        yield f"{name} (format 1)", bytes(builder.build()), once if CODECS[name] else 0


def _build(header: str, codec: int) -> bytes:
    batch = AnyNamesBatch(key=None, value=_VALUE, headers=[(header, b"")], codec=codec)
    return bytes(batch._build())  # noqa: SLF001


def _is_bounded(batch: bytes, bound: int) -> bool:
    with one_poll(bound):
        try:
            next(_partition_records(batch))
        except TooLargeError:
            return True
    return False


class _Assignment:
    """Stands in for aiokafka's state of an assigned partition."""

    active = True
    paused = False
    position = 0

    def state_value(self, _native: TopicPartition) -> "_Assignment":
        return self

    def consumed_to(self, position: int) -> None:
        self.position = position


_NATIVE: Final = TopicPartition("canary", 0)


def _fetch_result(batch: bytes) -> Any:  # noqa: ANN401  aiokafka ships no types
    """Return what aiokafka's fetcher makes of a fetched batch."""
    return fetcher.FetchResult(
        _NATIVE, assignment=_Assignment(), partition_records=_partition_records(batch), backoff=0
    )


def _partition_records(batch: bytes) -> Any:  # noqa: ANN401  aiokafka ships no types
    no_aborted, no_deserializer, offset, check_crcs = None, None, 0, True
    return fetcher.PartitionRecords(
        _NATIVE,
        fetcher.MemoryRecords(batch),
        no_aborted,
        offset,
        no_deserializer,
        no_deserializer,
        check_crcs,
        _READ_COMMITTED,
    )


def _refusal(cause: str) -> OperatorError:
    return OperatorError(
        f"aiokafka {aiokafka.__version__} can't be used: {cause}. Headcount replaces parts of "
        "aiokafka; install the version that requirements/ names."
    )
