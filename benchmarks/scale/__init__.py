"""Scale: what an event costs while one dimension grows, and what a rebuild costs while the log grows."""
