"""The counters: what an event means, the Redis keys, the script that writes and the view that reads."""
