"""What dead letters promise, on the fake and on Kafka: whatever was published is there, once acknowledged."""

import pytest

from ingest.batch import Partition
from ingest.ports import DeadLetter
from tests.suites.letters import ObservedLetters
from tests.support.fakes_log import FakeRecord

SOURCE = Partition("user-activity", 3)


def letter(record: FakeRecord) -> DeadLetter:
    return DeadLetter(partition=SOURCE, record=record, reason="not-json", error="it is not JSON")


@pytest.mark.parametrize(
    "record",
    [
        FakeRecord(value=b"\xff\x00value", key=b"\x00key"),
        FakeRecord(value=b"value"),
        FakeRecord(key=b"key"),
        FakeRecord(value=b"", key=b""),
        FakeRecord(),
        FakeRecord(value=b"v" * 890_000),
        FakeRecord(headers=[("empty", b""), ("same", b"1"), ("same", b"2"), ("é", b"\xff")]),
        FakeRecord(headers=[("null", None)]),  # Kafka allows it, aiokafka's documentation does not
    ],
    ids=["both", "no-key", "no-value", "empty", "neither", "large", "headers", "null-header"],
)
async def test_a_record_is_there_byte_for_byte(observed_letters: ObservedLetters, record: FakeRecord) -> None:
    await observed_letters.dead_letters.publish([letter(record)])
    (found,) = await observed_letters.read()
    assert found.value == record.value
    assert found.key == record.key
    assert found.timestamp == record.timestamp
    assert list(found.headers) == list(record.headers)


async def test_letters_stay_in_order(observed_letters: ObservedLetters) -> None:
    records = [FakeRecord(value=str(number).encode(), offset=number) for number in range(100)]
    await observed_letters.dead_letters.publish([letter(record) for record in records])
    assert [found.value for found in await observed_letters.read()] == [record.value for record in records]


async def test_no_letters_are_no_work(observed_letters: ObservedLetters) -> None:
    await observed_letters.dead_letters.publish([])
    assert await observed_letters.read() == []


async def test_a_letter_may_come_twice(observed_letters: ObservedLetters) -> None:
    """A publisher without an acknowledgement publishes the letter again."""
    for _ in range(2):
        await observed_letters.dead_letters.publish([letter(FakeRecord(value=b"again"))])
    assert [found.value for found in await observed_letters.read()] == [b"again", b"again"]
