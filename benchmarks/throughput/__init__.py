"""Throughput: one worker over a backlog, beside what else could be taken for the same work."""
