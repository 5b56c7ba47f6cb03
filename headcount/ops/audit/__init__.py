"""The audit: whether the counters hold what the log holds."""
