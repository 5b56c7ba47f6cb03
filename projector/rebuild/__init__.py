"""The next generation of counters, and the checks that compare generations."""
