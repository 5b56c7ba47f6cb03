"""Records as they lie in a batch: aiokafka by itself makes a copy of each for its callers, one by one."""

import sys
from functools import cache
from itertools import islice
from typing import Any, Final

from aiokafka.consumer import fetcher
from aiokafka.consumer.fetcher import FetchResult, PartitionRecords

from ingest.errors import OperatorError
from ingest.kafka.decompression import is_poll_full
from ingest.kafka.lenient_batch import LenientRecords
from ingest.ports import Record

AT_ONCE: Final = 100
"""Records between two looks at the poll's room."""


class PlainRecords(PartitionRecords):  # type: ignore[misc]  # aiokafka ships no types
    """A partition's records, each just as the batch gives it; there are no deserializers here."""

    def _consumer_record(self, _partition: Any, record: Record) -> Record:  # noqa: ANN401  aiokafka's own type
        return record


class ManyAtOnce(FetchResult):  # type: ignore[misc]  # aiokafka ships no types
    """What was fetched of a partition, handed out without a call for each record."""

    _partition_records: Any

    def getall(self, max_records: int | None = None) -> list[Record]:
        """Return up to so many records, or as many as the poll has room for."""
        most = sys.maxsize if max_records is None else max_records
        if not self.check_assignment(self._topic_partition) or not self.has_more():
            return []
        rest = self._partition_records._records_iterator  # noqa: SLF001  to ask itself is a call a record
        records: list[Record] = []
        is_over = False
        while not is_over and len(records) < most and not is_poll_full():
            asked = min(AT_ONCE, most - len(records))
            found = list(islice(rest, asked))
            records += found
            is_over = len(found) < asked
        self._update_position()
        if is_over:
            self._partition_records = None  # the next may be fetched
        return records


@cache
def install_plain_records() -> None:
    """Have every consumer of this program hand out plain records, many at once, from now on.

    They have what a `Record` has, and not the topic's name and the partition's number, which are those that
    they are handed out under. The copies cost more than all the rest of reading, and aiokafka has no setting
    for them: it looks its classes up by name, in its own module. Batches that it does not decode are decoded
    as Kafka's own client does. Raises `OperatorError` where the installed aiokafka has no such names.
    """
    if missing := {"MemoryRecords", "PartitionRecords", "FetchResult"} - vars(fetcher).keys():
        raise OperatorError(
            f"The installed aiokafka has no {', '.join(sorted(missing))}:"
            " install the version that requirements/ names."
        )
    fetcher.MemoryRecords = LenientRecords
    fetcher.PartitionRecords = PlainRecords
    fetcher.FetchResult = ManyAtOnce
