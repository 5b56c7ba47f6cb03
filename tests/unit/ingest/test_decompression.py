"""aiokafka decompresses batches within bounds, with and without its compiled modules."""

import os
import subprocess
import sys
from collections.abc import Callable

import cramjam
import pytest
from aiokafka import codec as aiokafka_codec
from aiokafka.record import default_records, legacy_records
from aiokafka.record.memory_records import MemoryRecords

from ingest.kafka.aiokafka_patches import install_patches
from ingest.kafka.decompression import (
    BATCH_BYTES,
    INTO,
    POLL_BYTES,
    Decoder,
    TooLargeError,
    one_poll,
)

CODECS = {"gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
LEGACY_CODECS = ["gzip", "snappy", "lz4"]
OVERHEAD_BYTES = 100
"""More than the size of a batch without its value."""


@pytest.fixture(autouse=True)
def bounds() -> None:
    install_patches()


def batch(codec: str, value: bytes) -> bytes:
    """Return a batch of one record, as aiokafka's producer writes it."""
    builder = default_records.DefaultRecordBatchBuilder(
        magic=2,
        compression_type=CODECS[codec],
        is_transactional=False,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=2 * len(value) + OVERHEAD_BYTES,
    )
    builder.append(0, timestamp=1, key=None, value=value, headers=[])
    return bytes(builder.build())


def legacy_batch(codec: str, value: bytes) -> bytes:
    """Return a batch of one record in the format of clients before Kafka 0.11."""
    builder = legacy_records.LegacyRecordBatchBuilder(
        magic=1, compression_type=CODECS[codec], batch_size=2 * len(value) + OVERHEAD_BYTES
    )
    builder.append(0, timestamp=1, key=None, value=value)
    return bytes(builder.build())


def values(log: bytes) -> list[bytes | None]:
    """Return what aiokafka's consumer reads."""
    found = []
    records = MemoryRecords(log)
    while (each := records.next_batch()) is not None:
        found += [record.value for record in each]
    return found


@pytest.mark.parametrize("codec", CODECS)
def test_aiokafka_reads_a_batch_within_the_bound(codec: str) -> None:
    value = bytes(BATCH_BYTES - OVERHEAD_BYTES)
    assert values(batch(codec, value)) == [value]


@pytest.mark.parametrize("codec", CODECS)
def test_aiokafka_refuses_a_batch_past_the_bound(codec: str) -> None:
    bomb = batch(codec, bytes(BATCH_BYTES))
    with pytest.raises(TooLargeError, match=rf"a {codec} batch of \d+ bytes exceeds 16 MB decompressed"):
        values(bomb)


@pytest.mark.parametrize("codec", LEGACY_CODECS)
def test_aiokafka_refuses_an_old_batch_past_the_bound(codec: str) -> None:
    assert values(legacy_batch(codec, b"sound")) == [b"sound"]
    with pytest.raises(TooLargeError, match=codec):
        values(legacy_batch(codec, bytes(BATCH_BYTES)))


def test_aiokafka_without_compiled_modules_is_bounded() -> None:
    tests = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        __file__,
        "-k",
        "test_aiokafka_re",
    ]
    environment = {**os.environ, "AIOKAFKA_NO_EXTENSIONS": "1"}
    ended = subprocess.run(tests, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout


@pytest.mark.parametrize("codec", INTO)
def test_content_equals_that_of_aiokafkas_own_decoders(codec: str) -> None:
    content = bytes(range(256)) * 1_000
    payload = getattr(aiokafka_codec, f"{codec}_encode")(content)
    assert decode(codec, payload) == getattr(aiokafka_codec, f"{codec}_decode")(payload) == content


def test_snappy_without_javas_header_is_read() -> None:
    content = bytes(range(256)) * 1_000
    assert decode("snappy", bytes(cramjam.snappy.compress_raw(content))) == content
    with pytest.raises(TooLargeError):
        decode("snappy", bytes(cramjam.snappy.compress_raw(bytes(BATCH_BYTES + 1))))


def test_consecutive_frames_share_one_bound() -> None:
    half = bytes(cramjam.zstd.compress(bytes(BATCH_BYTES // 2)))
    assert len(decode("zstd", half + half)) == BATCH_BYTES
    with pytest.raises(TooLargeError):
        decode("zstd", half + half + half)


@pytest.mark.parametrize("codec", INTO)
@pytest.mark.parametrize("spoil", [lambda payload: payload[:-9], lambda _: b"nonsense", lambda _: b""])
def test_damage_is_not_reported_as_too_large(codec: str, spoil: Callable[[bytes], bytes]) -> None:
    payload = getattr(aiokafka_codec, f"{codec}_encode")(bytes(range(256)) * 1_000)
    with pytest.raises(cramjam.DecompressionError):
        decode(codec, spoil(payload))


def test_a_negative_block_length_is_refused() -> None:
    payload = aiokafka_codec.snappy_encode(b"content")
    with pytest.raises(cramjam.DecompressionError):
        decode("snappy", payload[:16] + (-4).to_bytes(4, "big", signed=True) + payload[20:])


def test_batches_of_a_poll_share_one_bound() -> None:
    sound = batch("zstd", bytes(BATCH_BYTES - OVERHEAD_BYTES))
    fit = POLL_BYTES // BATCH_BYTES
    with one_poll():
        assert len(values(sound * fit)) == fit
        with pytest.raises(TooLargeError, match="more than 32 MB decompressed in one poll"):
            values(sound)
    with one_poll():
        assert len(values(sound)) == 1
    assert len(values(sound * (fit + 1))) == fit + 1  # outside a poll


def decode(codec: str, payload: bytes) -> bytes:
    return Decoder().decode(codec, INTO[codec], payload)
