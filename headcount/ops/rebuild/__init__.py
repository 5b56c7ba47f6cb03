"""The rebuild: the counters computed anew from the log, while the live ones go on answering."""
