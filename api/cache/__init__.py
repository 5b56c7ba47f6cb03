"""Caches with a time to live, and single flight for the reads that fill them."""
