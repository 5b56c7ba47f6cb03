"""The next generation of counters, and the comparison and repair of generations."""
