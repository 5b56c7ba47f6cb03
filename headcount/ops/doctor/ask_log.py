"""Gathering what the log itself tells: where it ends, how young it is, and what its dead letters wait for."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

from headcount.log.access import open_log
from headcount.ops.dead_letters.ledger import Ledger
from headcount.ops.dead_letters.overview import dead_letter_topic
from headcount.ops.doctor.kafka_facts import Letters
from headcount.wiring import Config
from ingest.batch import Offset, Partition
from ingest.events.instant import instant_of
from ingest.kafka.log_reader import LogReader
from ingest.ports import Extent, Record

MAX_LETTERS: Final = 20_000
"""So many are read in well under a second; of more, only their number is told."""
MAX_PARTITIONS: Final = 16
"""Of so many the newest record is read, one partition after another."""
NEWEST_RECORDS: Final = 2
"""The end of a partition may be a transaction's marker, which is no record."""


async def extents(config: Config) -> Mapping[Partition, Extent]:
    """Return where each partition begins and ends."""
    async with _open(config, config.kafka.topic) as log:
        return log.extents


async def newest(config: Config) -> datetime | None:
    """Return the stamp of the youngest record, None where there is none."""
    async with _open(config, config.kafka.topic) as log:
        ends = [(each, extent) for each, extent in log.extents.items() if extent.end > extent.beginning]
        stamps = [
            record.timestamp
            for partition, extent in ends[:MAX_PARTITIONS]
            for record in await _last_records(log, partition, extent)
        ]
    return instant_of(max(stamps)) if stamps else None


async def _last_records(log: LogReader, partition: Partition, extent: Extent) -> list[Record]:
    start = Offset(max(extent.beginning, extent.end - NEWEST_RECORDS))
    span = Extent(start, extent.end)
    return [record async for portion in log.read(partition, span) for record in portion.records]


async def waiting_letters(config: Config) -> Letters:
    """Count the dead letters whose records were not published again."""
    ledger = Ledger()
    async with _open(config, dead_letter_topic(config)) as log:
        records = sum(extent.end - extent.beginning for extent in log.extents.values())
        if records > MAX_LETTERS:
            return Letters(records=records, waiting=None)
        await ledger.read(log, log.extents, lambda _letter: None)
    return Letters(records=records, waiting=len(ledger.reasons.keys() - ledger.redriven))


@asynccontextmanager
async def _open(config: Config, topic: str) -> AsyncIterator[LogReader]:
    async with open_log(config, topic) as log:
        yield log
