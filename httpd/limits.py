"""The bounds of a connection, as the settings give them."""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one connection, one address and all clients together may take."""

    head_seconds: float
    keep_alive_seconds: float
    write_seconds: float
    head_bytes: int
    headers: int
    body_bytes: int
    pipelined_requests: int
    connections: int
    connections_per_address: int

    @property
    def shortest_seconds(self) -> float:
        """The least of the times, which says how often overdue connections are looked for."""
        return min(self.head_seconds, self.keep_alive_seconds, self.write_seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpConfig:
    """Where the server listens, and the limits of its clients."""

    host: str
    port: int
    processes: int
    limits: Limits
    requests_per_minute: int
    failed_logins_per_minute: int
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...]
