"""The worker: reads assigned partitions and writes their batches to the projection."""
