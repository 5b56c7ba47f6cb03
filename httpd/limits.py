"""The bounds of a connection, as the settings give them."""

from dataclasses import dataclass
from typing import Self

from headcount.settings import Settings


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

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Take the bounds out of the settings."""
        return cls(
            head_seconds=settings.http_head_timeout_seconds,
            keep_alive_seconds=settings.http_keep_alive_seconds,
            write_seconds=settings.http_write_timeout_seconds,
            head_bytes=settings.http_max_head_bytes,
            headers=settings.http_max_headers,
            body_bytes=settings.http_max_body_bytes,
            pipelined_requests=settings.http_max_pipelined_requests,
            connections=settings.http_max_connections,
            connections_per_address=settings.http_max_connections_per_address,
        )

    @property
    def shortest_seconds(self) -> float:
        """The least of the times, which says how often overdue connections are looked for."""
        return min(self.head_seconds, self.keep_alive_seconds, self.write_seconds)
