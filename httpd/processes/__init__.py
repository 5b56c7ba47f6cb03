"""The API as several processes on one port: a parent that accepts clients, and children that answer them."""
