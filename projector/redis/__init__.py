"""The Redis adapter: errors, checks of the server, key scans and auto-pipelining.

No other package of `projector` imports redis-py.
"""

from redis.asyncio import Redis
from redis.asyncio.lock import Lock

__all__ = ["Lock", "Redis"]
