"""The embedded default: a real Kafka and a real Valkey as child processes, for one machine with neither."""

from embedded.kafka import EmbeddedKafka
from embedded.valkey import EmbeddedValkey

__all__ = ["EmbeddedKafka", "EmbeddedValkey"]
