"""Quix Streams as its documentation has it: a streaming data frame of JSON values, into a `BatchingSink`.

The sink is given what was read between two commits, partition by partition.
"""

from operator import attrgetter
from tempfile import TemporaryDirectory

from quixstreams import Application
from quixstreams.sinks import BatchingSink, SinkBatch
from redis import Redis

from benchmarks.peers.days import add, fold
from benchmarks.peers.turn import Turn
from benchmarks.throughput.run import Run, Stopwatch

COMMIT_EVERY = 100_000
"""About as many as its default of 5 seconds; by number, so that a commit ends with the backlog."""

value_of = attrgetter("value")


class DaysSink(BatchingSink):  # type: ignore[misc]  # Quix Streams is installed for the peers only
    """Writes a batch, and stops the application once all events are written."""

    def __init__(self, app: Application, turn: Turn) -> None:
        super().__init__()
        self.run: Run | None = None
        self._app = app
        self._turn = turn
        self._redis = Redis.from_url(turn.redis)
        self._written = 0
        self._stopwatch: Stopwatch | None = None

    def write(self, batch: SinkBatch) -> None:
        add(self._redis, fold(map(value_of, batch)).items())
        self._written += batch.size
        if self._stopwatch is None:
            # With the first batch behind it and not counted; to look at every record would slow it down.
            self._stopwatch = Stopwatch(self._written)
        elif self._written >= self._turn.events:
            self.run = self._stopwatch.stop(self._written)
            self._app.stop()


def take(turn: Turn) -> Run:
    """Count the events."""
    with TemporaryDirectory() as folder:
        app = Application(
            broker_address=turn.kafka,
            consumer_group=turn.group,
            auto_offset_reset="earliest",
            commit_every=COMMIT_EVERY,
            loglevel="WARNING",
            state_dir=folder,
        )
        sink = DaysSink(app, turn)
        app.dataframe(app.topic(turn.topic, value_deserializer="json")).sink(sink)
        app.run()
    if sink.run is None:
        raise RuntimeError("it ended before all was read")
    return sink.run


if __name__ == "__main__":
    take(Turn.told()).print()
