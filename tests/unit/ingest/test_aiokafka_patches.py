"""Records come from aiokafka as its batches hold them: all that the worker reads of a record is there."""

from collections.abc import Sequence

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords

from ingest.kafka.aiokafka_patches import install_plain_records
from ingest.kafka.decompression import POLL_BYTES, install_bounded_decompression, one_poll
from ingest.ports import Record

BATCH_BYTES = 10_000
READ_UNCOMMITTED = 0
GZIP = 1
LARGE_BYTES = 100_000


@pytest.fixture(autouse=True)
def _plain() -> None:
    install_plain_records()


def unpacked(log: bytes) -> Sequence[Record]:
    """Return what aiokafka's consumer makes of bytes of the log."""
    native = TopicPartition("user-activity", 0)
    return list(
        fetcher.PartitionRecords(
            native, MemoryRecords(log), [], 0, None, None, check_crcs=True, isolation_level=READ_UNCOMMITTED
        )
    )


def test_a_record_has_all_that_was_published() -> None:
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


def test_a_record_of_an_old_client_has_no_headers() -> None:
    builder = LegacyRecordBatchBuilder(magic=1, compression_type=0, batch_size=BATCH_BYTES)
    builder.append(0, timestamp=17, key=b"k", value=b"v")
    (record,) = unpacked(bytes(builder.build()))
    assert (record.offset, record.timestamp, record.value, list(record.headers)) == (0, 17, b"v", [])


def test_no_record_is_copied() -> None:
    builder = LegacyRecordBatchBuilder(magic=1, compression_type=0, batch_size=BATCH_BYTES)
    builder.append(0, timestamp=17, key=b"k", value=b"v")
    (record,) = unpacked(bytes(builder.build()))
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
    """Return what aiokafka keeps of a fetch, and where the consumer stands."""
    native, place = TopicPartition("user-activity", 0), Position()
    records = fetcher.PartitionRecords(
        native, MemoryRecords(log), [], 0, None, None, check_crcs=True, isolation_level=READ_UNCOMMITTED
    )
    return fetcher.FetchResult(native, assignment=place, partition_records=records, backoff=0), place


def numbered(count: int, *, value: bytes = b"v", codec: int = 0) -> bytes:
    """Return batches of one record each, with offsets from 0 on."""
    return b"".join(batch_at(offset, value, codec) for offset in range(count))


def batch_at(offset: int, value: bytes, codec: int) -> bytes:
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=codec,
        is_transactional=False,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=2 * len(value) + BATCH_BYTES,
    )
    builder.append(0, timestamp=17, key=None, value=value, headers=[])
    return offset.to_bytes(8, "big") + bytes(builder.build())[8:]


@pytest.mark.parametrize("most", [1, 2, 3, 600, 1_200, 1_201, None])
def test_records_are_handed_out_in_order_and_up_to_as_many_as_asked_for(most: int | None) -> None:
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


def test_a_poll_that_is_full_takes_the_rest_the_next_time() -> None:
    """Many sound batches are no damage, however large they are together."""
    install_bounded_decompression()
    count = 2 * POLL_BYTES // LARGE_BYTES
    result, place = fetched(numbered(count, value=bytes(LARGE_BYTES), codec=GZIP))
    polls = []
    while result.has_more():
        with one_poll():
            polls.append(len(result.getall(10_000)))
    assert sum(polls) == place.position == count
    assert len(polls) > 2
