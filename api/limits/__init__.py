"""Rate limits: counts per token and minute, and how clients learn of them."""
