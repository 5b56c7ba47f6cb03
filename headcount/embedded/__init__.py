"""The embedded default: a real Kafka and a real Valkey as child processes, for one machine with neither."""

from headcount.embedded.kafka import EmbeddedKafka
from headcount.embedded.valkey import EmbeddedValkey

__all__ = ["EmbeddedKafka", "EmbeddedValkey"]
