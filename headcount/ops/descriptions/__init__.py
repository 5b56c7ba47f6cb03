"""What Headcount reads and writes, told to machines: generated from the types that do it."""
