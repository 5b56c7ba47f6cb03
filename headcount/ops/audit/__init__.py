"""The audit: checks whether the counters hold all that the log holds."""
