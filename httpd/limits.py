"""The limits and addresses of the server, as configured."""

from dataclasses import dataclass

from httpd.addresses import Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of one connection, of one client address and of all clients together."""

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
        """The shortest timeout, which decides how often connections are checked."""
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
    trusted_proxies: tuple[Network, ...]
