"""Rate limits: requests counted per token and minute, and the headers that report the status."""
