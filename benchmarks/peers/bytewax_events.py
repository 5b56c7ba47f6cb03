"""Bytewax as its guides and examples have it: a `map` over the events, and a sink of our own that batches."""

import bytewax.operators as op
import orjson
from bytewax.connectors.kafka import KafkaSourceMessage
from bytewax.dataflow import Dataflow

from benchmarks.peers.bytewax_parts import Days, WritingSink, messages_of
from benchmarks.peers.days import Event, add, fold
from benchmarks.peers.turn import Turn
from benchmarks.throughput.run import Run, Stopwatch

BATCH_RECORDS = 3_000
"""Three times its default, which it calls a starting point: more or less was slower."""


class WrittenDays(Days):
    """Are timed from the first batch that is written on."""

    def write(self, events: list[Event]) -> None:
        add(self.redis, fold(events).items())
        self.done += len(events)
        if self.stopwatch is None:
            # With the first batch behind it and not counted; to look at every event would slow it down.
            self.stopwatch = Stopwatch(self.done)
        elif self.done >= self.wanted:
            self.run = self.stopwatch.stop(self.done)


def decode(message: KafkaSourceMessage[bytes, bytes]) -> Event:
    event: Event = orjson.loads(message.value)
    return event


def take(turn: Turn) -> Run:
    """Count the events."""
    days, flow = WrittenDays(turn), Dataflow("days")
    events = op.map("decode", messages_of(turn, flow, batch_size=BATCH_RECORDS), decode)
    op.output("counters", events, WritingSink(days.write))
    return days.run_of(flow)


if __name__ == "__main__":
    take(Turn.told()).print()
