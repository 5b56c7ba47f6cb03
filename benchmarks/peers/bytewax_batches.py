"""Bytewax as it documents for speed: one step over whole batches, that decodes and folds, and a sink.

`flat_map_batch` calls that step once a batch, so an event costs Bytewax hardly more than its source.
"""

from collections.abc import Iterable

import bytewax.operators as op
import orjson
from bytewax.connectors.kafka import KafkaSourceMessage
from bytewax.dataflow import Dataflow
from bytewax.run import cli_main
from redis import Redis

from benchmarks.peers.bytewax_parts import WritingSink, messages_of
from benchmarks.peers.days import add, fold
from benchmarks.peers.turn import Turn
from benchmarks.throughput.run import Run, Stopwatch

BATCH_RECORDS = 10_000
"""Ten times its default, which it calls a starting point: less was slower, more no faster."""

Users = tuple[str, set[str]]


class Days:
    """The counters, and the stopwatch over them."""

    def __init__(self, turn: Turn) -> None:
        self.run: Run | None = None
        self._redis = Redis.from_url(turn.redis)
        self._wanted = turn.events
        self._folded = 0
        self._stopwatch: Stopwatch | None = None

    def fold(self, messages: list[KafkaSourceMessage[bytes, bytes]]) -> Iterable[Users]:
        self._stopwatch = self._stopwatch or Stopwatch(0)
        self._folded += len(messages)
        return fold(orjson.loads(message.value) for message in messages).items()

    def write(self, users: list[Users]) -> None:
        add(self._redis, users)
        if self._stopwatch is not None and self._folded >= self._wanted:
            self.run = self._stopwatch.stop(self._folded)


def take(turn: Turn) -> Run:
    """Count the events."""
    days, flow = Days(turn), Dataflow("days")
    users = op.flat_map_batch("fold", messages_of(turn, flow, batch_size=BATCH_RECORDS), days.fold)
    op.output("counters", users, WritingSink(days.write))
    cli_main(flow)
    if days.run is None:
        raise RuntimeError("it ended before all was read")
    return days.run


if __name__ == "__main__":
    take(Turn.told()).print()
