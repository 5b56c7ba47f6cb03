"""Bytewax as it documents for speed: one step over whole batches, that decodes and folds, and a sink.

`flat_map_batch` calls that step once a batch, so an event costs Bytewax hardly more than its source.
"""

from collections.abc import Iterable

import bytewax.operators as op
import orjson
from bytewax.connectors.kafka import KafkaSourceMessage
from bytewax.dataflow import Dataflow

from benchmarks.peers.bytewax_parts import Days, WritingSink, messages_of
from benchmarks.peers.days import add, fold
from benchmarks.peers.turn import Turn
from benchmarks.throughput.run import Run, Stopwatch

BATCH_RECORDS = 10_000
"""Ten times its default, which it calls a starting point: less was slower, more no faster."""

Users = tuple[str, set[str]]


class FoldedDays(Days):
    """Are timed from the first batch that is folded on."""

    def fold(self, messages: list[KafkaSourceMessage[bytes, bytes]]) -> Iterable[Users]:
        self.stopwatch = self.stopwatch or Stopwatch(0)
        self.done += len(messages)
        return fold(orjson.loads(message.value) for message in messages).items()

    def write(self, users: list[Users]) -> None:
        add(self.redis, users)
        if self.stopwatch is not None and self.done >= self.wanted:
            self.run = self.stopwatch.stop(self.done)


def take(turn: Turn) -> Run:
    """Count the events."""
    days, flow = FoldedDays(turn), Dataflow("days")
    users = op.flat_map_batch("fold", messages_of(turn, flow, batch_size=BATCH_RECORDS), days.fold)
    op.output("counters", users, WritingSink(days.write))
    return days.run_of(flow)


if __name__ == "__main__":
    take(Turn.told()).print()
