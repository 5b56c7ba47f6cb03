"""A dead letter carries the whole record if it fits, otherwise a part that identifies it."""

import hashlib

import pytest

from ingest.batch import Partition
from ingest.kafka.dead_letters import ABRIDGED_BYTES, ERROR_MAX_CHARACTERS, WHOLE_MAX_BYTES, abridged, fitting
from ingest.ports import DeadLetter
from tests.support.fakes_log import FakeRecord


def letter(record: FakeRecord, error: str = "it is not JSON") -> DeadLetter:
    return DeadLetter(partition=Partition("t", 3), record=record, reason="not-json", error=error)


def test_a_letter_is_whole_and_says_what_is_wrong() -> None:
    record = FakeRecord(key=b"\x00k", value=b"\xffv", offset=7, headers=[("trace", b"\x01"), ("trace", b"")])
    message = fitting(letter(record))
    assert (message.key, message.value) == (b"\x00k", b"\xffv")
    assert list(message.headers) == [
        ("headcount-topic", b"t"),
        ("headcount-partition", b"3"),
        ("headcount-offset", b"7"),
        ("headcount-timestamp", str(record.timestamp).encode()),
        ("headcount-reason", b"not-json"),
        ("headcount-error", b"it is not JSON"),
        ("trace", b"\x01"),
        ("trace", b""),
    ]


@pytest.mark.parametrize(("key", "value"), [(None, None), (b"", b""), (None, b"x"), (b"k", None)])
def test_what_is_missing_stays_missing(key: bytes | None, value: bytes | None) -> None:
    message = fitting(letter(FakeRecord(key=key, value=value)))
    assert (message.key, message.value) == (key, value)


def test_a_long_error_is_cut() -> None:
    message = fitting(letter(FakeRecord(), error="é" * 2 * ERROR_MAX_CHARACTERS))
    assert dict(message.headers)["headcount-error"] == ("é" * ERROR_MAX_CHARACTERS).encode()


@pytest.mark.parametrize(
    "record",
    [
        FakeRecord(key=b"k" * (WHOLE_MAX_BYTES // 2), value=b"v" * (WHOLE_MAX_BYTES // 2)),
        FakeRecord(headers=[("n" * (WHOLE_MAX_BYTES - 1_000), b"")]),
    ],
)
def test_a_letter_that_just_fits_is_whole(record: FakeRecord) -> None:
    assert fitting(letter(record)).value == record.value
    assert "headcount-value-sha256" not in dict(fitting(letter(record)).headers)


@pytest.mark.parametrize(
    "record",
    [
        FakeRecord(value=b"v" * (WHOLE_MAX_BYTES + 1)),
        FakeRecord(key=b"k" * (WHOLE_MAX_BYTES + 1)),
        FakeRecord(headers=[("n", b"h" * WHOLE_MAX_BYTES)]),
        FakeRecord(headers=[("n" * WHOLE_MAX_BYTES, b"h")]),
        FakeRecord(headers=[("n", b"")] * 200_000),
    ],
    ids=["value", "key", "header", "header-name", "many-headers"],
)
def test_a_letter_that_does_not_fit_is_abridged(record: FakeRecord) -> None:
    assert fitting(letter(record)) == abridged(letter(record))


def test_an_abridged_letter_identifies_its_record() -> None:
    value = bytes(range(256)) * 4_000
    message = abridged(letter(FakeRecord(key=b"k" * 20_000, value=value, headers=[("trace", b"1")])))
    assert (message.key, message.value) == (b"k" * ABRIDGED_BYTES, value[:ABRIDGED_BYTES])
    headers = dict(message.headers)
    assert headers["headcount-value-bytes"] == str(len(value)).encode()
    assert headers["headcount-value-sha256"] == hashlib.sha256(value).hexdigest().encode()
    assert headers["headcount-key-bytes"] == b"20000"
    assert headers["headcount-offset"] == b"0"
    assert "trace" not in headers
