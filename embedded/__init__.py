"""Embedded Kafka and Valkey servers as child processes, for a machine without either."""

from embedded.kafka import EmbeddedKafka
from embedded.valkey import EmbeddedValkey

__all__ = ["EmbeddedKafka", "EmbeddedValkey"]
