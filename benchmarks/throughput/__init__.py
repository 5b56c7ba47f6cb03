"""Throughput: one worker over a backlog, compared with alternatives for the same work."""
