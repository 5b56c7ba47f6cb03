"""Records as they lie in a batch: aiokafka by itself makes a copy of each for its callers, one by one."""

from functools import cache
from itertools import islice
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.consumer.fetcher import FetchResult, PartitionRecords

from ingest.ports import Record


class PlainRecords(PartitionRecords):  # type: ignore[misc]  # aiokafka ships no types
    """A partition's records, each just as the batch gives it; there are no deserializers here."""

    def _consumer_record(self, _partition: Any, record: Record) -> Record:  # noqa: ANN401  aiokafka's own type
        return record


class ManyAtOnce(FetchResult):  # type: ignore[misc]  # aiokafka ships no types
    """What was fetched of a partition, handed out without a call for each record."""

    _partition_records: Any

    def getall(self, max_records: int | None = None) -> list[Record]:
        if not self.check_assignment(self._topic_partition) or not self.has_more():
            return []
        fetched = self._partition_records
        records = list(islice(fetched._records_iterator, max_records))  # noqa: SLF001  its own next is a call
        self._update_position()
        if max_records is None or len(records) < max_records:
            self._partition_records = None  # that was all, and the next may be fetched
        return records


@cache
def spare_copies() -> None:
    """Have every consumer of this program hand out plain records, many at once, from now on.

    They have what a `Record` has, and not the topic's name and the partition's number, which are those that
    they are handed out under. The copies cost more than all the rest of reading, and aiokafka has no setting
    for them: it looks its classes up by name, in its own module.
    """
    fetcher.PartitionRecords = PlainRecords
    fetcher.FetchResult = ManyAtOnce
