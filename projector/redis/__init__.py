"""The Redis adapter: errors, scanning, auto-pipelining and the memory guard."""
