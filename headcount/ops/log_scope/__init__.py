"""Which part of the log the counters cover."""
