"""Checks of Kafka and Redis before a process starts to use them."""
