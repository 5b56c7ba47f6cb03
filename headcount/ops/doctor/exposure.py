"""Checks of what the settings expose to the network: encryption, limits, ports and proxies."""

from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from redis.asyncio.connection import parse_url

from headcount.ops.doctor.finding import Judgement, ok, problem, warning
from headcount.wiring import Config

WIDEST_V4_PREFIX: Final = 8
WIDEST_V6_PREFIX: Final = 7
"""The prefixes of 10.0.0.0/8 and fc00::/7, the largest private networks."""
IPV4: Final = 4


def check_redis_transport(config: Config) -> Judgement:
    """Check that passwords and counters cross no network unencrypted."""
    url = config.redis.url
    host = str(parse_url(url).get("host", "localhost"))
    if urlsplit(url).scheme == "redis" and not is_local(host):
        return warning(
            f"The connection to Redis at {host} is not encrypted: the password and the digests of tokens can "
            "be read on the network.",
            "Enable TLS in Redis and use rediss:// in REDIS_URL, unless no other machine is on that network.",
        )
    return ok("The connection to Redis is encrypted, or local.")


def check_kafka_transport(config: Config) -> Judgement:
    """Check that events cross no network unencrypted."""
    protocol = config.kafka.security_protocol
    hosts = [each.rpartition(":")[0].strip("[]") for each in config.kafka.bootstrap_servers.split(",")]
    if all(map(is_local, hosts)) or protocol.endswith("SSL"):
        return ok("The connection to Kafka is encrypted, or local.")
    return warning(
        f"The connection to Kafka at {', '.join(hosts)} is not encrypted: "
        f"KAFKA_SECURITY_PROTOCOL is {protocol}.",
        "Use SASL_SSL, unless no other machine is on that network: any client can publish to an open Kafka.",
    )


def check_api_transport(config: Config) -> Judgement:
    """Check that tokens cross no network unencrypted: the API itself does not support TLS."""
    if is_local(config.http.host) or config.http.trusted_proxies:
        return ok("The API is reached from this machine, or through a trusted proxy.")
    return warning(
        f"The API listens on {config.http.host} without a trusted proxy: tokens cross the network "
        "unencrypted.",
        "Put a reverse proxy with TLS in front of the API, and set TRUSTED_PROXIES to its address.",
    )


def check_http_limits(config: Config) -> Judgement:
    """Check for limits that are disabled or have no effect."""
    off = [
        name
        for name in ("http_requests_per_minute", "http_failed_logins_per_minute")
        if not getattr(config.http, name.removeprefix("http_"))
    ]
    if config.http.limits.connections_per_address >= config.http.limits.connections:
        off.append("http_max_connections_per_address")
    if off:
        return warning(
            f"These limits have no effect: {', '.join(map(str.upper, off))}.",
            "Use their defaults, or limit clients in the proxy: one client can take all capacity.",
        )
    return ok("Requests, failed logins and connections are limited.")


def check_metrics(config: Config) -> Judgement:
    """Check that metrics, which need no token, are not public."""
    ports = [config.telemetry.worker_metrics_port, config.telemetry.api_metrics_port]
    if ports == [None, None]:
        return ok("Metrics are off.")
    if is_private(config.telemetry.metrics_host):
        return ok(f"Metrics are served on {config.telemetry.metrics_host} only.")
    return warning(
        f"Metrics are served on {config.telemetry.metrics_host} to every client that reaches the port.",
        "Set METRICS_HOST to an address of a private network, or restrict the port with a firewall.",
    )


def check_trusted_proxies(config: Config) -> Judgement:
    """Check for networks so wide that foreign clients can forge X-Forwarded-For."""
    narrowest = {IPV4: WIDEST_V4_PREFIX}
    wide = [
        str(network)
        for network in config.http.trusted_proxies
        if network.prefixlen < narrowest.get(network.version, WIDEST_V6_PREFIX)
    ]
    if wide:
        return problem(
            f"TRUSTED_PROXIES contains {', '.join(wide)}: any client there can claim any address and escape "
            "all limits.",
            "List only the addresses of your proxies.",
        )
    return ok("Only private networks or small ones are trusted as proxies.")


def is_local(host: str) -> bool:
    """Return whether a host is this machine, judged by its name or address only."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_private(host: str) -> bool:
    """Return whether an address belongs to a private network; the unspecified address does not."""
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost"
    return address.is_private and not address.is_unspecified
