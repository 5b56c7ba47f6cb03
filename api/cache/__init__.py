"""Cached responses and the fast path that serves them."""
