"""The projection: the counters, their Redis keys, the scripts that write and the views that read them."""
