"""Records come from aiokafka as its batches hold them: all that the worker reads of a record is there."""

from collections.abc import Sequence

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords

from ingest.ports import Record
from ingest.unpacking import spare_copies

BATCH_BYTES = 10_000
READ_UNCOMMITTED = 0


@pytest.fixture(autouse=True)
def _plain() -> None:
    spare_copies()


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
