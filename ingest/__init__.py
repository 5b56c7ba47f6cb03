"""The log side: events, the Kafka source, dead letters and the worker loop."""
