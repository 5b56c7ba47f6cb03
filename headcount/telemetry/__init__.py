"""Metrics, health and log of worker and API; metrics and health are served on separate ports."""
