"""Reads topics for commands, from explicit positions and outside of any consumer group."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError

from ingest.batch import Offset, Partition
from ingest.errors import OperatorError, UnavailableError, UnreadableError
from ingest.kafka.decompression import one_poll
from ingest.kafka.polling import POLL_MILLISECONDS, POLL_RECORDS, UNREADABLE, cause_of
from ingest.ports import Extent, Record

STALLED_SECONDS: Final = 30.0
"""The time limit for Kafka to return records that exist."""


@dataclass(frozen=True, slots=True)
class Portion:
    """Consecutive records of a partition, and the next offset to read."""

    records: Sequence[Record]
    end: Offset


class LogReader:
    """Reads one partition at a time, so that memory does not grow with their number.

    `extents` is the extent of each partition when the reader was opened.
    """

    def __init__(self, consumer: AIOKafkaConsumer, extents: Mapping[Partition, Extent]) -> None:
        self.extents = extents
        self._consumer = consumer

    async def read(self, partition: Partition, span: Extent) -> AsyncIterator[Portion]:
        """Yield the records of a span of offsets, in portions.

        Raises `UnavailableError`, `OperatorError` if reading the topic is denied, and `UnreadableError` if
        records are damaged.
        """
        native = self._assign(partition, span.beginning)
        position, most = span.beginning, POLL_RECORDS
        while position < span.end:
            try:
                records, position = await self._advance(native, position, most)
            except UnreadableError:
                if most == 1:
                    raise
                # A poll of several records fails as a whole: read the sound ones before the damage singly.
                self._assign(partition, position)
                most = 1
                continue
            yield Portion([record for record in records if record.offset < span.end], min(position, span.end))

    async def find(self, partition: Partition, offset: Offset) -> Record | None:
        """Return the record at an offset, None if the log has none there; raises as `read` does."""
        extent = self.extents.get(partition)
        if extent is None or not extent.beginning <= offset < extent.end:
            return None
        found: list[Record] = []
        async for portion in self.read(partition, Extent(offset, Offset(offset + 1))):
            found.extend(portion.records)
        return found[0] if found else None

    async def can_read(self, partition: Partition, offset: Offset) -> bool:
        """Return whether the first record at or after an offset is readable; raises `UnavailableError`."""
        native = self._assign(partition, offset)
        try:
            # One record only: with more, a later one could be the damaged one.
            await self._advance(native, offset, max_records=1)
        except UnreadableError:
            return False
        return True

    async def since(self, instant: datetime) -> Mapping[Partition, Extent]:
        """Return the extents from the first record whose timestamp is not before the instant."""
        wanted = {TopicPartition(*each): int(instant.timestamp() * 1000) for each in self.extents}
        found = await self._consumer.offsets_for_times(wanted)
        return {
            Partition(*native): Extent(Offset(first.offset), self.extents[Partition(*native)].end)
            for native, first in found.items()
            if first is not None
        }

    def _assign(self, partition: Partition, offset: Offset) -> TopicPartition:
        native = TopicPartition(partition.topic, partition.number)
        self._consumer.assign([native])
        self._consumer.seek(native, offset)
        return native

    async def _advance(
        self, native: TopicPartition, position: Offset, max_records: int
    ) -> tuple[Sequence[Record], Offset]:
        """Return the next records and the position after them, which may skip control records."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + STALLED_SECONDS
        while loop.time() < deadline:
            records = await self._poll(native, position, max_records)
            moved = Offset(await self._consumer.position(native))
            if moved > position:
                return records, moved
        raise UnavailableError(
            f"Kafka returns no records of {native.topic}:{native.partition} from offset {position}."
        )

    async def _poll(self, native: TopicPartition, position: Offset, max_records: int) -> Sequence[Record]:
        try:
            with one_poll():
                polled = await self._consumer.getmany(
                    native, timeout_ms=POLL_MILLISECONDS, max_records=max_records
                )
        except UNREADABLE as error:
            place = f"{native.topic}:{native.partition}"
            raise UnreadableError(
                f"{place} can't be read at {position} or later: {cause_of(error)}"
            ) from error
        except TopicAuthorizationFailedError as error:
            raise OperatorError(
                f"Kafka denies this user access to the topic {native.topic}: grant the rights that "
                "docs/explanation/security.md lists."
            ) from error
        except KafkaError as error:
            raise UnavailableError(f"Kafka's records can't be read: {error!r}") from error
        records: Sequence[Record] = polled.get(native, [])
        return records
