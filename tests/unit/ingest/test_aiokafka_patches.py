"""The patched aiokafka returns whole records in order; a release that the patches do not fit is refused."""

import re
import sys
from collections.abc import Sequence
from pkgutil import resolve_name
from typing import Any

import aiokafka
import pytest
from aiokafka import TopicPartition, codec
from aiokafka.consumer import fetcher
from aiokafka.record import default_records
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder

from ingest.errors import OperatorError
from ingest.kafka.aiokafka_patches import PATCHED, check_batches, check_names, install_patches
from ingest.kafka.decompression import POLL_BYTES, decoder_names, one_poll
from ingest.ports import Record

BATCH_BYTES = 10_000
READ_UNCOMMITTED = 0
GZIP = 1
LARGE_BYTES = 100_000


@pytest.fixture(autouse=True)
def _patched() -> None:
    install_patches()


def unpacked(log: bytes) -> Sequence[Record]:
    """Return the records that aiokafka's consumer decodes from bytes of the log."""
    native = TopicPartition("user-activity", 0)
    return list(
        fetcher.PartitionRecords(
            native,
            fetcher.MemoryRecords(log),
            [],
            0,
            None,
            None,
            check_crcs=True,
            isolation_level=READ_UNCOMMITTED,
        )
    )


def test_a_record_has_every_published_field() -> None:
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=0,
        is_transactional=False,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=BATCH_BYTES,
    )
    builder.append(0, timestamp=17, key=b"k", value=b"v", headers=[("h", b"x"), ("h", None)])
    builder.append(1, timestamp=18, key=None, value=None, headers=[])
    first, second = unpacked(bytes(builder.build()))
    assert (first.offset, first.timestamp, first.timestamp_type) == (0, 17, 0)
    assert (first.key, first.value, list(first.headers)) == (b"k", b"v", [("h", b"x"), ("h", None)])
    assert (second.offset, second.key, second.value, list(second.headers)) == (1, None, None, [])


def test_a_record_in_the_old_format_has_no_headers() -> None:
    builder = LegacyRecordBatchBuilder(magic=1, compression_type=0, batch_size=BATCH_BYTES)
    builder.append(0, timestamp=17, key=b"k", value=b"v")
    (record,) = unpacked(bytes(builder.build()))
    assert (record.offset, record.timestamp, record.value, list(record.headers)) == (0, 17, b"v", [])


def test_records_are_not_copied() -> None:
    (record,) = unpacked(numbered(1))
    assert type(record).__module__.startswith("aiokafka.record.")


class Position:
    """Stands in for aiokafka's state of an assigned partition."""

    active = True
    paused = False

    def __init__(self) -> None:
        self.position = 0

    def state_value(self, _native: TopicPartition) -> "Position":
        return self

    def consumed_to(self, position: int) -> None:
        self.position = position


def fetched(log: bytes) -> tuple[fetcher.FetchResult, Position]:
    """Return aiokafka's result of a fetch, and the consumer's position."""
    native, place = TopicPartition("user-activity", 0), Position()
    records = fetcher.PartitionRecords(
        native,
        fetcher.MemoryRecords(log),
        [],
        0,
        None,
        None,
        check_crcs=True,
        isolation_level=READ_UNCOMMITTED,
    )
    return fetcher.FetchResult(native, assignment=place, partition_records=records, backoff=0), place


def numbered(count: int, *, value: bytes = b"v", compression: int = 0) -> bytes:
    """Return batches of one record each, with offsets from 0 on."""
    return b"".join(batch_at(offset, value, compression) for offset in range(count))


def batch_at(offset: int, value: bytes, compression: int) -> bytes:
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=compression,
        is_transactional=False,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=2 * len(value) + BATCH_BYTES,
    )
    builder.append(0, timestamp=17, key=None, value=value, headers=[])
    return offset.to_bytes(8, "big") + bytes(builder.build())[8:]


@pytest.mark.parametrize("most", [1, 2, 3, 600, 1_200, 1_201, None])
def test_records_come_in_order_and_at_most_as_many_as_requested(most: int | None) -> None:
    result, place = fetched(numbered(1_200))
    offsets: list[int] = []
    while result.has_more():
        some = [record.offset for record in result.getall(most)]
        assert most is None or len(some) <= most
        offsets += some
        assert place.position == len(offsets)
        if len(offsets) >= 10 * (most or 1_200):
            break
    assert offsets == list(range(len(offsets)))
    assert len(offsets) >= min(1_200, 10 * (most or 1_200))


def test_records_beyond_the_bound_of_a_poll_come_with_the_next() -> None:
    """Sound batches are never reported as damaged, however large they are together."""
    count = 2 * POLL_BYTES // LARGE_BYTES
    result, place = fetched(numbered(count, value=bytes(LARGE_BYTES), compression=GZIP))
    polls = []
    while result.has_more():
        with one_poll():
            polls.append(len(result.getall(10_000)))
    assert sum(polls) == place.position == count
    assert len(polls) > 2


def refusal(cause: str) -> str:
    """Return a pattern for the error, which names the installed version and what to install."""
    return (
        rf"aiokafka {re.escape(aiokafka.__version__)} can't be used: {cause}.*"
        "install the version that requirements/ names"
    )


def owner_of(name: str) -> tuple[Any, str]:
    """Return the module or class that has a name, and the name in it."""
    module, _, path = name.partition(":")
    owner, _, attribute = path.rpartition(".")
    return resolve_name(f"{module}:{owner}"), attribute


@pytest.mark.parametrize("name", [*PATCHED, *sorted(decoder_names())])
def test_a_release_without_a_patched_name_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, attribute = owner_of(name)
    monkeypatch.delattr(owner, attribute)
    with pytest.raises(OperatorError, match=refusal(".*" + re.escape(name))):
        install_patches.__wrapped__()


@pytest.mark.parametrize("name", [name for name, parameters in PATCHED.items() if parameters])
def test_a_release_with_other_parameters_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def renamed(self: object, other: object) -> None:
        """Stand for a function whose parameters were changed."""

    owner, attribute = owner_of(name)
    monkeypatch.setattr(owner, attribute, renamed)
    with pytest.raises(OperatorError, match=refusal(".*" + re.escape(name) + r" are \(self.*, other")):
        check_names()


@pytest.mark.parametrize(
    ("owner", "attribute"),
    [
        (fetcher.PartitionRecords, "_records_iterator"),
        (fetcher.PartitionRecords, "next_fetch_offset"),
        (fetcher.FetchResult, "_partition_records"),
        (fetcher.FetchResult, "_topic_partition"),
        (default_records._DefaultRecordBatchPy, "_buffer"),
        (default_records._DefaultRecordBatchPy, "_pos"),
        (default_records._DefaultRecordBatchPy, "_num_records"),
    ],
)
def test_a_release_without_a_private_attribute_is_refused(
    owner: type[Any], attribute: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    construct: Any = vars(owner)["__init__"]

    def construct_without(self: object, *args: object, **kwargs: object) -> None:
        construct(self, *args, **kwargs)
        delattr(self, attribute)

    monkeypatch.setattr(owner, "__init__", construct_without)
    with pytest.raises(OperatorError, match=refusal(".*" + attribute)):
        check_batches()


@pytest.mark.parametrize("name", sorted(decoder_names()))
def test_a_decoder_that_is_not_the_bounded_one_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, _, decoder = name.partition(":")
    monkeypatch.setattr(sys.modules[module], decoder, getattr(codec, decoder))
    compression = decoder.removesuffix("_decode")
    with pytest.raises(OperatorError, match=refusal(f"the decompression of a {compression} .*not bounded")):
        check_batches()


def test_a_decoder_that_returns_something_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(default_records, "zstd_decode", lambda _payload: b"")
    with pytest.raises(OperatorError, match=refusal("a zstd .* can't be decoded")):
        check_batches()
