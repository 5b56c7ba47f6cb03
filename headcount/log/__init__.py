"""The topics beside their worker: made, opened and read."""
