"""Freshness: how long it takes from an event published to an answer that has it, under load."""
