"""What both of Bytewax' flows are made of: its Kafka source, a sink that hands batches on, and their run.

A sink is given whole batches by Bytewax, as many items at once as its source read.
"""

from collections.abc import Callable
from typing import Any

import bytewax.operators as op
from bytewax.connectors.kafka import KafkaSource
from bytewax.dataflow import Dataflow, Stream
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.run import cli_main
from redis import Redis

from benchmarks.peers.turn import Turn
from benchmarks.throughput.run import Run, Stopwatch

Write = Callable[[list[Any]], None]


class Days:
    """The counters of a flow, and the stopwatch over it, which the flow's own steps start and stop."""

    def __init__(self, turn: Turn) -> None:
        self.run: Run | None = None
        self.redis = Redis.from_url(turn.redis)
        self.wanted = turn.events
        self.done = 0
        self.stopwatch: Stopwatch | None = None

    def run_of(self, flow: Dataflow) -> Run:
        """Have the flow go on to its end, and return what was timed."""
        cli_main(flow)
        if self.run is None:
            raise RuntimeError("it ended before all was read")
        return self.run


class WritingPartition(StatelessSinkPartition[Any]):  # type: ignore[misc]  # installed for the peers only
    def __init__(self, write: Write) -> None:
        self._write = write

    def write_batch(self, items: list[Any]) -> None:
        self._write(items)


class WritingSink(DynamicSink[Any]):  # type: ignore[misc]  # installed for the peers only
    """Writes through the function given."""

    def __init__(self, write: Write) -> None:
        self._write = write

    def build(self, _step_id: str, _worker_index: int, _worker_count: int) -> WritingPartition:
        return WritingPartition(self._write)


def messages_of(turn: Turn, flow: Dataflow, *, batch_size: int) -> Stream:
    """Read the topic from its beginning; the flow ends where the topic does."""
    source = KafkaSource([turn.kafka], [turn.topic], tail=False, batch_size=batch_size)
    return op.input("messages", flow, source)
