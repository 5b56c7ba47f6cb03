"""Settings of the API server: address, limits and trusted proxies."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, Field

MOST_PROCESSES: Final = 64
_SECONDS: Final = "more than 0 and at most 3600 seconds"


def _read_networks(text: object) -> object:
    if not isinstance(text, str):
        return text
    return tuple(ip_network(network.strip()) for network in text.split(","))


class HttpSettings(BaseModel):
    """The settings of the API's server."""

    http_host: str = Field(
        default="127.0.0.1",
        description="the address to listen on; 0.0.0.0 for all IPv4 addresses, :: for all addresses",
    )
    http_port: int = Field(
        default=8080, ge=0, le=65_535, description="a port, 0 to 65535; 0 for any free port"
    )
    http_processes: int = Field(
        default=1, ge=1, le=MOST_PROCESSES, description=f"1 to {MOST_PROCESSES} processes"
    )
    http_head_timeout_seconds: float = Field(default=10, gt=0, le=3600, description=_SECONDS)
    http_keep_alive_seconds: float = Field(default=30, gt=0, le=3600, description=_SECONDS)
    http_write_timeout_seconds: float = Field(default=10, gt=0, le=3600, description=_SECONDS)
    http_max_head_bytes: int = Field(
        default=16_384, ge=1_024, le=1_048_576, description="1024 to 1048576 bytes"
    )
    http_max_headers: int = Field(default=100, ge=10, le=10_000, description="10 to 10000 headers")
    http_max_body_bytes: int = Field(default=1_024, ge=0, le=1_048_576, description="0 to 1048576 bytes")
    http_max_pipelined_requests: int = Field(default=16, ge=1, le=32, description="1 to 32 requests")
    http_max_connections: int = Field(default=1_000, ge=1, le=100_000, description="1 to 100000 connections")
    http_max_connections_per_address: int = Field(
        default=100, ge=1, le=100_000, description="1 to 100000 connections"
    )
    http_requests_per_minute: int = Field(
        default=600, ge=0, le=1_000_000, description="0 to 1000000 requests; 0 for no limit"
    )
    http_failed_logins_per_minute: int = Field(
        default=60, ge=0, le=1_000_000, description="0 to 1000000 logins; 0 for no limit"
    )
    trusted_proxies: Annotated[tuple[IPv4Network | IPv6Network, ...], BeforeValidator(_read_networks)] = (
        Field(default=(), description="a comma-separated list of networks or addresses such as 10.0.0.0/8")
    )
