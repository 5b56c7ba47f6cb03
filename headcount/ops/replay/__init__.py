"""The replay: recorded activity becomes events in Kafka."""
