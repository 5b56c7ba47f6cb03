"""Bytewax as its guides and examples have it: a `map` over the events, and a sink of our own that batches."""

import bytewax.operators as op
import orjson
from bytewax.connectors.kafka import KafkaSourceMessage
from bytewax.dataflow import Dataflow
from bytewax.run import cli_main
from redis import Redis

from benchmarks.peers.bytewax_parts import WritingSink, messages_of
from benchmarks.peers.days import Event, add, fold
from benchmarks.peers.turn import Turn
from benchmarks.throughput.run import Run, Stopwatch

BATCH_RECORDS = 3_000
"""Three times its default, which it calls a starting point: more or less was slower."""


class Days:
    """The counters, and the stopwatch over them."""

    def __init__(self, turn: Turn) -> None:
        self.run: Run | None = None
        self._redis = Redis.from_url(turn.redis)
        self._wanted = turn.events
        self._written = 0
        self._stopwatch: Stopwatch | None = None

    def write(self, events: list[Event]) -> None:
        add(self._redis, fold(events).items())
        self._written += len(events)
        if self._stopwatch is None:
            # With the first batch behind it and not counted; to look at every event would slow it down.
            self._stopwatch = Stopwatch(self._written)
        elif self._written >= self._wanted:
            self.run = self._stopwatch.stop(self._written)


def decode(message: KafkaSourceMessage[bytes, bytes]) -> Event:
    event: Event = orjson.loads(message.value)
    return event


def take(turn: Turn) -> Run:
    """Count the events."""
    days, flow = Days(turn), Dataflow("days")
    events = op.map("decode", messages_of(turn, flow, batch_size=BATCH_RECORDS), decode)
    op.output("counters", events, WritingSink(days.write))
    cli_main(flow)
    if days.run is None:
        raise RuntimeError("it ended before all was read")
    return days.run


if __name__ == "__main__":
    take(Turn.told()).print()
