"""What both of Bytewax' flows are made of: its Kafka source, and a sink that hands batches on.

A sink is given whole batches by Bytewax, as many items at once as its source read.
"""

from collections.abc import Callable
from typing import Any

import bytewax.operators as op
from bytewax.connectors.kafka import KafkaSource
from bytewax.dataflow import Dataflow, Stream
from bytewax.outputs import DynamicSink, StatelessSinkPartition

from benchmarks.peers.turn import Turn

Write = Callable[[list[Any]], None]


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
