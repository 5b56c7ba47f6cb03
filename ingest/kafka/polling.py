"""Polls a consumer, bounds what a poll returns, and translates aiokafka's errors."""

import asyncio
import zlib
from collections.abc import Mapping
from typing import Final

import cramjam
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import (
    CorruptRecordException,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
    RecordTooLargeError,
    UnsupportedCodecError,
)

from ingest.batch import Partition
from ingest.errors import OutOfRangeError, UnavailableError, UnreadableError
from ingest.kafka.decompression import POLL_BYTES, TooLargeError, one_poll
from ingest.ports import Record

POLL_RECORDS: Final = 10_000
"""The maximum size of a batch. Larger ones cost less per event, but block Redis' readers for longer; one of
this size takes some 10 ms."""
POLL_MILLISECONDS: Final = 100
NO_POSITION_SECONDS: Final = 0.01

UNREADABLE: Final = (
    CorruptRecordException,
    EOFError,
    RecordTooLargeError,
    TooLargeError,
    UnsupportedCodecError,
    cramjam.DecompressionError,
    zlib.error,
)
"""What aiokafka raises for an unreadable batch: its own errors, and those of the decompressors."""

Polled = Mapping[TopicPartition, list[Record]]


async def poll_all(consumer: AIOKafkaConsumer) -> Polled:
    """Poll all partitions; raises as `Source.poll` does."""
    return await _poll(consumer, most=POLL_RECORDS, milliseconds=POLL_MILLISECONDS)


async def poll_up_to_damage(consumer: AIOKafkaConsumer, only: TopicPartition) -> Polled:
    """Poll one partition record by record, up to a damaged one: a poll of several fails as a whole."""
    records: list[Record] = []
    milliseconds = POLL_MILLISECONDS
    size = 0
    # Bounded by bytes too: a thousand batches can each be near their bound once decompressed.
    while len(records) < POLL_RECORDS and size < POLL_BYTES:
        try:
            polled = await _poll(consumer, only, most=1, milliseconds=milliseconds)
        except UnreadableError:
            if not records:
                raise
            break  # the next poll raises it again
        found = polled.get(only, [])
        if not found:
            break
        records += found
        size += sum(map(_size, found))
        milliseconds = 0  # only records that are fetched already: a busy log always has more
    return {only: records}


async def _poll(consumer: AIOKafkaConsumer, *only: TopicPartition, most: int, milliseconds: int) -> Polled:
    try:
        with one_poll():
            polled: Polled = await consumer.getmany(*only, timeout_ms=milliseconds, max_records=most)
    except NoOffsetForPartitionError:
        await asyncio.sleep(NO_POSITION_SECONDS)  # raised at once until the next seek
        return {}
    except OffsetOutOfRangeError as error:
        (positions,) = error.args
        raise OutOfRangeError({Partition(*native): at for native, at in positions.items()}) from error
    except UNREADABLE as error:
        raise UnreadableError(cause_of(error)) from error
    except KafkaError as error:
        raise UnavailableError(f"Kafka's records can't be read: {error!r}") from error
    return polled


def cause_of(error: Exception) -> str:
    """Return the cause for an error of `UNREADABLE`, for messages."""
    return f"too large: {error}" if isinstance(error, TooLargeError) else f"damaged records: {error!r}"


def _size(record: Record) -> int:
    headers = sum(len(value or b"") for _, value in record.headers)
    return len(record.key or b"") + len(record.value or b"") + headers
