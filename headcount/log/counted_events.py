"""Reading once more what was counted, sorted as a worker sorts it."""

from collections.abc import AsyncIterator, Callable
from datetime import datetime

from headcount.log.scope import Scope
from ingest.batch import Batch
from ingest.events.decoding import RecordDecoder
from ingest.kafka.log_reader import LogReader


class CountedEvents:
    """One reading: `done` of `total` offsets are read, and `records` were found there.

    `clock` gives the time of day, aware.
    """

    def __init__(
        self, scope: Scope, *, log: LogReader, decoder: RecordDecoder, clock: Callable[[], datetime]
    ) -> None:
        self.total = scope.size
        self.done = 0
        self.records = 0
        self._scope = scope
        self._log = log
        self._decoder = decoder
        self._clock = clock

    async def batches(self) -> AsyncIterator[Batch]:
        """Read the scope, one partition after the other; each batch starts where the one before ended.

        Raises `UnavailableError`, and `UnreadableError` where records are damaged.
        """
        for partition, spans in self._scope.spans.items():
            start = spans[0].beginning
            for span in spans:
                position = span.beginning
                async for portion in self._log.read(partition, span):
                    events = self._decoder.sort(partition, portion.records, self._clock()).events
                    yield Batch(partition=partition, start=start, end=portion.end, events=events)
                    self.records += len(portion.records)
                    self.done += portion.end - position
                    start = position = portion.end
