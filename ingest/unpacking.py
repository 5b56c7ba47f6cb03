"""Records as they lie in a batch: aiokafka by itself makes a copy of each for its callers."""

from functools import cache
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.consumer.fetcher import PartitionRecords

from ingest.ports import Record


class PlainRecords(PartitionRecords):  # type: ignore[misc]  # aiokafka ships no types
    """A partition's records, each just as the batch gives it; there are no deserializers here."""

    def _consumer_record(self, _partition: Any, record: Record) -> Record:  # noqa: ANN401  aiokafka's own type
        return record


@cache
def spare_copies() -> None:
    """Have every consumer of this program hand out plain records, from now on.

    They have what a `Record` has, and not the topic's name and the partition's number, which are those that
    they are handed out under. The copy costs half as much as all the rest of reading a record, and aiokafka
    has no setting for it: it looks the class up by name, in its own module.
    """
    fetcher.PartitionRecords = PlainRecords
