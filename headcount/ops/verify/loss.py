"""What the log may have lost: events that were counted once, and that no recount finds."""

from collections.abc import Iterable
from datetime import datetime

from ingest.batch import Partition
from ingest.events.decoding import FUTURE_TOLERANCE
from ingest.events.instant import instant_of
from ingest.kafka.log_reader import LogReader
from ingest.ports import Extent
from projector.gaps import GapReport


async def lost_until(log: LogReader, gaps: Iterable[GapReport], now: datetime) -> datetime | None:
    """Return an instant after which the log lost no event, None where it lost none at all.

    Retention removes a partition's oldest records, and none of them tells an instant much later than the
    stamp of the first that is left. A log that was truncated or recreated may lack anything from before.
    Raises `UnavailableError`, and `UnreadableError` where records are damaged.
    """
    instants = [gap.found_at for gap in gaps if gap.cause in {"truncated", "recreated"}]
    for partition, extent in log.extents.items():
        if extent.beginning > 0:
            # A producer may stamp a record ahead of the clock; an event that is ahead is in no counter.
            instants.append(min(await _first_stamp(log, partition, extent) or now, now))
    return max(instants) + FUTURE_TOLERANCE if instants else None


async def _first_stamp(log: LogReader, partition: Partition, extent: Extent) -> datetime | None:
    async for portion in log.read(partition, extent):
        if portion.records:
            return instant_of(portion.records[0].timestamp)
    return None
