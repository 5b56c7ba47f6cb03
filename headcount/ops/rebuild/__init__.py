"""The rebuild: computes the counters again from the log, while the live ones keep answering."""
