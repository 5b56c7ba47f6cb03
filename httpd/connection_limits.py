"""Whether there is room: the count of connections, of all clients and of each address."""

from collections import Counter

from httpd.addresses import Origin
from httpd.limits import Limits
from httpd.stats import Cause, ConnectionStats


class ConnectionLimits:
    """Counts connections in and out; the count of all of them is the tally's `open`."""

    def __init__(self, limits: Limits, stats: ConnectionStats) -> None:
        self._limits = limits
        self._stats = stats
        self._by_origin: Counter[Origin] = Counter()

    def refusal(self, origin: Origin | None) -> Cause | None:
        """Say why one more connection would be too many, if it would; a proxy of ours has no origin."""
        # The address first: it is told what it can do something about, also while everything is full.
        if origin is not None and self._by_origin[origin] >= self._limits.connections_per_address:
            return Cause.TOO_MANY_FROM_ADDRESS
        return Cause.TOO_MANY if self._stats.open >= self._limits.connections else None

    def enter(self, origin: Origin | None) -> None:
        """Count a connection in."""
        self._stats.open += 1
        if origin is not None:
            self._by_origin[origin] += 1

    def close_within(self, origin: Origin | None) -> None:
        """Count it out again."""
        self._stats.open -= 1
        if origin is None:
            return
        self._by_origin[origin] -= 1
        if not self._by_origin[origin]:
            del self._by_origin[origin]  # or the addresses of all time would be kept
