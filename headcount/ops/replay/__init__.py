"""The replay: publishes recorded activity to Kafka as events."""
